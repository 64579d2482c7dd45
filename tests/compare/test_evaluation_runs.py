"""An evaluation from files to files: what is written, kept, resumed and refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.compare.evaluation.evaluation import Evaluation, evaluate_model
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.compare.evaluation.summary import find
from wavelit_plugin.compare.store import RUNS
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.rollout import rollout

NAMES = ("pressure", "velocity_x", "velocity_y")
LAYOUT = ChannelLayout(frames=2, fields=3, constants=2, names=NAMES)
TRAJECTORIES = 2


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test trajectories of nine frames, so seven steps after two frames."""
    folder = tmp_path_factory.mktemp("waves") / "data"
    sizes: dict[str, Any] = {"size": 16, "frames": 9, "oversample": 1}
    make_dataset(DataRequest(out=folder, trajectories=3, test_trajectories=TRAJECTORIES, **sizes))
    return folder


def saved(path: Path, layout: ChannelLayout | None = LAYOUT, **knobs: Any) -> Path:
    """Save a small model with random weights."""
    channels = {"in_channels": 8, "out_channels": 3} if layout is LAYOUT else {}
    knobs = {"width": 8, "heads": 1, "depth": 1, "layout": layout, **channels, **knobs}
    model = WaveLiT(WaveLiTConfig(**knobs))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    model.save(path)
    return path


@pytest.fixture
def request_(tmp_path: Path, data: Path) -> EvaluationRequest:
    checkpoint = saved(tmp_path / "model.safetensors")
    return EvaluationRequest(checkpoint=checkpoint, data=data, out=tmp_path / "out")


def quietly(_done: int, _total: int, _what: str) -> None:
    """Show no progress."""


def evaluated(request: EvaluationRequest) -> Evaluation:
    return evaluate_model(request, quietly)


def files(folder: Path) -> dict[str, bytes]:
    results = (folder / "errors.csv", folder / "summary.json", *(folder / RUNS).glob("*.json"))
    return {path.name: path.read_bytes() for path in results}


def test_a_model_of_two_frames_is_rolled_out_as_it_was_trained(
    request_: EvaluationRequest,
) -> None:
    table = evaluated(request_).rows
    test = read_grid_data(request_.data).trajectories
    assert test is not None
    model = WaveLiT.load(request_.checkpoint)
    rolled = rollout(model, test.fields[:, :2], test.constants, steps=7)
    errors = vrmse(rolled.flatten(0, 1), test.fields[:, 2:].flatten(0, 1)).unflatten(0, (2, 7))
    by_trajectory = errors[:, :5].mean(dim=(1, 2))
    row = find(table, "model", "1:5")
    # one trajectory at a time there, both at once here
    assert_close(row.mean, float(by_trajectory.mean()), rtol=1e-5, atol=0.0)
    assert_close(row.median, float(by_trajectory.median() + by_trajectory.max()) / 2, rtol=1e-5,
                 atol=0.0)  # fmt: skip
    field = find(table, "model", "1:7", field="velocity_x")
    assert_close(field.mean, float(errors[:, :, 1].mean()), rtol=1e-5, atol=0.0)


def test_baselines_stand_beside_the_model(request_: EvaluationRequest) -> None:
    table = evaluated(request_).rows
    held = read_grid_data(request_.data)
    assert held.trajectories is not None
    truth = held.trajectories.fields
    last = vrmse(truth[:, 1:-1].flatten(0, 1), truth[:, 2:].flatten(0, 1)).mean()
    assert_close(find(table, "persistence", "one-step").mean, float(last), rtol=1e-5, atol=0.0)
    mean = held.train.y.mean(dim=(0, 2, 3)).view(1, 3, 1, 1).expand(14, 3, 16, 16)
    error = vrmse(mean, truth[:, 2:].flatten(0, 1)).mean()
    assert_close(find(table, "mean", "1:7").mean, float(error), rtol=1e-5, atol=0.0)


def test_an_interrupted_evaluation_goes_on_to_the_same_numbers(
    request_: EvaluationRequest, tmp_path: Path
) -> None:
    def interrupt(done: int, _total: int, _what: str) -> None:
        if done == 1:
            raise KeyboardInterrupt

    whole = replace(request_, out=tmp_path / "whole")
    evaluated(whole)
    with pytest.raises(KeyboardInterrupt):
        evaluate_model(request_, interrupt)
    (first,) = (request_.out / RUNS).glob("*.json")
    before = first.stat().st_mtime_ns
    assert not (request_.out / "errors.csv").exists()
    evaluated(request_)
    assert first.stat().st_mtime_ns == before
    assert files(request_.out) == files(whole.out)


def test_a_finished_evaluation_is_not_repeated(
    request_: EvaluationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = evaluated(request_)
    monkeypatch.setattr("wavelit_plugin.compare.evaluation.evaluation.measure", None)
    assert evaluated(request_).rows == before.rows


def test_json_and_csv_hold_the_table(request_: EvaluationRequest) -> None:
    found = evaluated(replace(request_, steps=6))
    record = json.loads(found.record.read_text(encoding="utf-8"))
    assert record["rows"] == [asdict(row) for row in found.rows]
    assert record["steps"] == 6
    assert len(record["rollout_vrmse_by_step"]["persistence"]) == 6
    # three predictors; VRMSE and three bands; one step, 1:5 and 1:6; three fields and all
    assert len(found.table.read_text(encoding="utf-8").splitlines()) == 1 + 3 * 4 * 3 * 4


def test_another_checkpoint_needs_another_folder_or_overwrite(
    request_: EvaluationRequest, tmp_path: Path
) -> None:
    before = evaluated(request_)
    other = replace(request_, checkpoint=saved(tmp_path / "other.safetensors", depth=2))
    with pytest.raises(
        ConfigError, match=r"checkpoint: name .*; use another folder, or --overwrite"
    ):
        evaluated(other)
    with pytest.raises(ConfigError, match="steps: 7 there, 3 now"):
        evaluated(replace(request_, steps=3))
    after = evaluated(replace(other, overwrite=True))
    assert after.rows != before.rows


def test_a_roll_out_longer_than_the_reference_is_refused(request_: EvaluationRequest) -> None:
    with pytest.raises(ConfigError, match=r"8 steps is longer than the reference.*--steps 7 or le"):
        evaluated(replace(request_, steps=8))
    assert not request_.out.exists()


def test_trajectories_as_short_as_the_history_are_refused(
    request_: EvaluationRequest, tmp_path: Path
) -> None:
    layout = replace(LAYOUT, frames=9)
    path = saved(tmp_path / "long.safetensors", layout, in_channels=29, out_channels=3)
    with pytest.raises(ConfigError, match=r"takes 9 frames \(n_steps_input.*have 9"):
        evaluated(replace(request_, checkpoint=path))


def test_frames_that_the_layout_does_not_tell_are_refused(
    request_: EvaluationRequest, tmp_path: Path
) -> None:
    """Eight channels in, three out, and nothing that says that six of them are two frames."""
    path = saved(tmp_path / "untold.safetensors", None, in_channels=8, out_channels=3)
    with pytest.raises(ConfigError, match=r"5 constants, 8 channels.*2 constants.*n_steps_input"):
        evaluated(replace(request_, checkpoint=path))


def test_fields_that_the_checkpoint_does_not_know_are_named(
    request_: EvaluationRequest, tmp_path: Path
) -> None:
    layout = replace(LAYOUT, names=("pressure", "height", "velocity_y"))
    path = saved(tmp_path / "m.safetensors", layout, in_channels=8, out_channels=3)
    with pytest.raises(DataError, match="it does not know velocity_x; use data with the same"):
        evaluated(replace(request_, checkpoint=path))
    numbered = replace(LAYOUT, names=("scalar0", "vector0_x", "vector0_y"))
    path = saved(tmp_path / "n.safetensors", numbered, in_channels=8, out_channels=3)
    evaluated(replace(request_, checkpoint=path))


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        ({"ndim": 1}, "1 space axes"),
        (
            {"conditions": 2},
            r"conditioned on 2 numbers a trajectory, and acoustics_16 has 0 .*\(none\)",
        ),
        ({"layout": ChannelLayout(fields=0, constants=8)}, "predicts another quantity"),
        ({"layout": ChannelLayout(frames=2, fields=2, constants=4)}, "2 fields without names"),
    ],
)
def test_other_models_are_refused(
    request_: EvaluationRequest, tmp_path: Path, knobs: dict[str, Any], told: str
) -> None:
    layout = knobs.get("layout", replace(LAYOUT, names=()))
    out = layout.fields or 3
    rest = {name: value for name, value in knobs.items() if name != "layout"}
    path = saved(tmp_path / "m.safetensors", layout, in_channels=8, out_channels=out, **rest)
    with pytest.raises((ConfigError, DataError), match=told):
        evaluated(replace(request_, checkpoint=path))


def test_nan_is_told_with_file_field_and_frame(request_: EvaluationRequest, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in request_.data.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    (path,) = folder.glob("*_trajectories.pt")
    held = torch.load(path, weights_only=True)
    held["fields"][1, 4, 2, 3, 3] = float("nan")
    torch.save(held, path)
    with pytest.raises(DataError, match=r"1 NaN .* velocity_y, .* trajectory 1, frame 4 \(counted"):
        evaluated(replace(request_, data=folder))
    assert not request_.out.exists()


def test_static_data_are_refused(request_: EvaluationRequest, tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    for split in ("train", "test"):
        pair = {"x": torch.randn(4, 16, 16), "y": torch.randn(4, 16, 16)}
        torch.save(pair, folder / f"darcy_{split}_16.pt")
    with pytest.raises(DataError, match="static quantities and no trajectories"):
        evaluated(replace(request_, data=folder))


def test_what_is_no_checkpoint_is_refused(request_: EvaluationRequest, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("weights", encoding="utf-8")
    with pytest.raises(DataError, match="no checkpoint that can be read by itself; give a file"):
        evaluated(replace(request_, checkpoint=path))
    whole = request_.checkpoint.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a complete safetensors file"):
        evaluated(replace(request_, checkpoint=path))


def test_damaged_results_are_refused(request_: EvaluationRequest) -> None:
    evaluated(request_)
    path = next((request_.out / RUNS).glob("*.json"))
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "metrics": {"model": {"rollout": "x"}}}))
    with pytest.raises(DataError, match=r"damaged.*--overwrite"):
        evaluated(request_)
    evaluated(replace(request_, overwrite=True))
