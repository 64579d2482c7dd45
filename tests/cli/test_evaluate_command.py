"""``wavelit evaluate``: what it prints, resumes and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from wavelit_plugin.cli import main
from wavelit_plugin.compare.evaluation import drawing, evaluation
from wavelit_plugin.compare.evaluation.evaluation import Evaluation
from wavelit_plugin.compare.evaluation.scores import Scores, measure
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.errors import HostError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``data`` with two test trajectories of seven frames, and ``model.safetensors``."""
    made = tmp_path_factory.mktemp("evaluate")
    make_dataset(
        DataRequest(
            out=made / "data", size=16, trajectories=2, test_trajectories=2, frames=7, oversample=1
        )
    )
    layout = ChannelLayout(fields=3, constants=2)
    config = WaveLiTConfig(
        in_channels=5, out_channels=3, width=8, heads=1, depth=1, residual="on", layout=layout
    )
    WaveLiT(config).save(made / "model.safetensors")
    return made


@pytest.fixture(autouse=True)
def pictures(monkeypatch: pytest.MonkeyPatch) -> list[Evaluation]:
    """Stands for the pictures, which take seconds and have tests of their own."""
    drawn: list[Evaluation] = []

    def write_pictures(found: Evaluation) -> tuple[Path, ...]:
        drawn.append(found)
        (found.table.parent / "rollout.gif").touch()
        return (found.table.parent / "rollout.gif",)

    monkeypatch.setattr(drawing, "write_pictures", write_pictures)
    return drawn


def call(folder: Path, out: Path, *options: str) -> int:
    data = ("--data", str(folder / "data"), "--out", str(out))
    return main(["evaluate", str(folder / "model.safetensors"), *data, *options])


def test_it_prints_the_table_and_what_it_wrote(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, tmp_path / "out") == 0
    told = capsys.readouterr()
    for word in ("model.safetensors on acoustics_16", "1:5", "1:6", "persistence", "velocity_x"):
        assert word in told.out
    assert f"wrote {tmp_path / 'out' / 'errors.csv'} and " in told.out
    assert f"wrote 1 files of pictures, {tmp_path / 'out' / 'rollout.gif'}" in told.out
    assert "trajectories: 2/2" in told.err


def test_json_is_one_object_with_files_that_are_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, tmp_path / "out", "--steps", "5", "--json") == 0
    held = json.loads(capsys.readouterr().out)
    assert held["plan"]["steps"] == 5
    assert {row["window"] for row in held["rows"]} == {"one-step", "1:5"}
    assert all(Path(path).is_file() for path in held["files"])


def test_without_matplotlib_the_numbers_are_there(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_found: Evaluation) -> tuple[Path, ...]:
        raise HostError("figures need matplotlib")

    monkeypatch.setattr(drawing, "write_pictures", missing)
    assert call(folder, tmp_path / "out") == 0
    told = capsys.readouterr()
    assert "no pictures in" in told.err
    assert "persistence" in told.out


def test_an_interruption_is_told_and_the_same_command_goes_on(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def interrupted(*arguments: object) -> tuple[Scores, object]:
        calls.append(arguments)
        if len(calls) == 4:  # of three predictors on two trajectories
            raise KeyboardInterrupt
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluation, "measure", interrupted)
    out = tmp_path / "out"
    assert call(folder, out) == 130
    assert f"finished trajectories are kept in {out}" in capsys.readouterr().err
    assert call(folder, out) == 0
    assert len(calls) == 7


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--steps", "9"), "9 steps is longer than the reference"),
        (("--steps", "0"), "steps must be an integer of at least 1"),
        (("--device", "abacus"), "device 'abacus' cannot be used"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    told: str,
) -> None:
    assert call(folder, tmp_path / "out", *options) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wavelit: error: ")
    assert told in line
    assert not (tmp_path / "out").exists()


OTHER = ChannelLayout(fields=3, constants=2, names=("pressure", "height", "velocity_y"))


@pytest.mark.parametrize(
    ("channels", "layout", "told"),
    [
        (5, OTHER, "it does not know velocity_x; use data with the same fields"),
        (8, None, "takes 1 frame of 3 fields and 5 constants, 8 channels"),
        (23, ChannelLayout(frames=7, fields=3, constants=2), "takes 7 frames (n_steps_input)"),
        (3, ChannelLayout(fields=3), "3 channels, and acoustics_16 has 2 constants"),
    ],
    ids=["unknown field", "unknown n_steps_input", "n_steps_input too large", "constants"],
)
def test_a_model_that_does_not_go_with_the_data_is_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    channels: int,
    layout: ChannelLayout | None,
    told: str,
) -> None:
    config = WaveLiTConfig(
        in_channels=channels, out_channels=3, width=8, heads=1, depth=1, residual="on",
        layout=layout,
    )  # fmt: skip
    WaveLiT(config).save(tmp_path / "m.safetensors")
    data = ("--data", str(folder / "data"), "--out", str(tmp_path / "out"))
    assert main(["evaluate", str(tmp_path / "m.safetensors"), *data]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wavelit: error: ")
    assert told in line
    assert not (tmp_path / "out").exists()


def test_nan_in_the_data_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    path = tmp_path / "data" / "acoustics_test_16_trajectories.pt"
    held = torch.load(path, weights_only=True)
    held["fields"][1, 6, 2, 0, 0] = torch.nan
    torch.save(held, path)
    data = ("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
    assert main(["evaluate", str(folder / "model.safetensors"), *data]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path} holds 1 NaN or infinite values of velocity_y, the first in trajectory 1" in line
    assert not (tmp_path / "out").exists()


def test_a_missing_checkpoint_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path / "none"), "--data", str(tmp_path)]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err
