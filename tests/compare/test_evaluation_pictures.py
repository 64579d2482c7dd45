"""Pictures of an evaluation: every file is there, for every number of axes and every failure."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

pytest.importorskip("matplotlib")

from PIL import Image

from wavelit_plugin.compare import figure
from wavelit_plugin.compare.evaluation.animation import write_animation
from wavelit_plugin.compare.evaluation.curves import growth_pictures, spectrum_picture
from wavelit_plugin.compare.evaluation.drawing import write_pictures
from wavelit_plugin.compare.evaluation.evaluation import Evaluation
from wavelit_plugin.compare.evaluation.frames import frame_pictures, shown_steps
from wavelit_plugin.compare.evaluation.scores import Scores
from wavelit_plugin.compare.evaluation.shown import Shown, read_shown, write_shown
from wavelit_plugin.errors import DataError, HostError

SIZES = ((24,), (12, 8), (8, 6, 4))


def shown(size: tuple[int, ...], steps: int = 3, fields: tuple[str, ...] = ("u",)) -> Shown:
    generator = torch.Generator().manual_seed(7)
    truth, prediction = torch.randn(2, steps, len(fields), *size, generator=generator).unbind(0)
    return Shown(fields=fields, truth=truth, prediction=prediction)


def scores(rollout: Tensor) -> Scores:
    steps, fields = rollout.shape
    energy = torch.tensor([5.0, 3.0, 1.0, 0.1]).repeat(3, 1)
    return Scores(
        one_step=rollout[0],
        rollout=rollout,
        one_step_bands=torch.zeros(fields, 3),
        rollout_bands=torch.zeros(steps, fields, 3),
        spectrum=energy * torch.tensor([1.0, 0.9, 0.1])[:, None],
    )


def found(rollout: Tensor) -> list[dict[str, Scores]]:
    return [{name: scores(rollout) for name in ("model", "persistence", "mean")}]


def test_all_files_are_there_and_hold_pictures(tmp_path: Path) -> None:
    evaluation = Evaluation(
        plan={"steps": 3},
        rows=(),
        found=found(torch.tensor([[0.1, 0.2], [0.2, 0.3], [0.4, 0.5]])),
        shown=shown((12, 8), fields=("u v", "w")),
        table=tmp_path / "errors.csv",
        record=tmp_path / "summary.json",
    )
    files = write_pictures(evaluation)
    names = ["growth", "growth-fields", "spectrum"]
    names += [f"{kind}-{field}" for field in ("u-v", "w") for kind in ("frames", "errors")]
    expected = {tmp_path / "figures" / f"{n}.{end}" for n in names for end in ("png", "svg")}
    assert set(files) == expected | {tmp_path / "rollout.gif"}
    for path in files:
        if path.suffix == ".svg":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>")
        else:
            Image.open(path).verify()
    assert not list(tmp_path.rglob("*partial*"))


@pytest.mark.parametrize("size", SIZES)
def test_the_animation_has_a_frame_a_step(size: tuple[int, ...], tmp_path: Path) -> None:
    path = write_animation(tmp_path, shown(size))
    with Image.open(path) as animation:
        assert getattr(animation, "n_frames", 1) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["rollout.gif"]


def test_a_long_animation_skips_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavelit_plugin.compare.evaluation.animation._MOST_FRAMES", 3)
    with Image.open(write_animation(tmp_path, shown((12, 8), steps=7))) as animation:
        assert getattr(animation, "n_frames", 1) == 3


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("steps", [1, 5])
def test_each_field_has_two_pictures(size: tuple[int, ...], steps: int) -> None:
    names = [picture.name for picture in frame_pictures(shown(size, steps, ("u", "v")))]
    assert names == ["frames-u", "errors-u", "frames-v", "errors-v"]


def test_of_three_axes_the_middle_plane_is_shown_and_of_one_all_steps() -> None:
    deep, flat = shown((8, 6, 4)), shown((24,))
    assert_close(deep.plane(deep.truth, 2, 0), deep.truth[2, 0, :, :, 2])
    assert_close(flat.plane(flat.truth, 0, 0)[5, 2], flat.truth[2, 0, 5])
    assert shown_steps(1) == (0,)


def test_a_roll_out_that_diverged_is_drawn(tmp_path: Path) -> None:
    lost = shown((12, 8))
    lost.prediction[1] = math.inf
    lost.prediction[2] = math.nan
    write_animation(tmp_path, lost)
    assert len(frame_pictures(lost)) == 2


def test_the_curve_ends_where_a_trajectory_diverges() -> None:
    rollout = torch.tensor([[0.1, 0.2], [0.3, math.nan], [0.2, 0.2]])
    whole, single = growth_pictures(found(rollout), ("u", "v"))
    lines = {len(line.get_xdata()) for line in whole.figure.axes[0].lines[:1]}  # type: ignore[arg-type]
    assert lines == {1}
    assert single.name == "growth-fields"
    nothing = torch.full((3, 1), math.nan)
    (empty,) = growth_pictures(found(nothing), ("u",))
    assert empty.name == "growth"


def test_a_spectrum_of_nothing_finite_is_drawn() -> None:
    one = scores(torch.ones(2, 1))
    one.spectrum[1:] = math.nan
    picture = spectrum_picture([{"model": one}], 2)
    assert "step 2" in picture.caption


def test_what_is_shown_survives_the_disk(tmp_path: Path) -> None:
    made = shown((12, 8))
    write_shown(tmp_path, made.prediction)
    again = read_shown(tmp_path, made.fields, made.truth)
    assert_close(again.prediction, made.prediction, rtol=0.0, atol=0.0)
    (tmp_path / "shown.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="--overwrite"):
        read_shown(tmp_path, made.fields, made.truth)


def test_without_matplotlib_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figure, "find_spec", lambda _: None)
    evaluation = Evaluation(
        plan={}, rows=(), found=(), shown=shown((8, 8)), table=tmp_path / "t", record=tmp_path / "r"
    )
    with pytest.raises(HostError, match=r"install wavelit-plugin\[report\]"):
        write_pictures(evaluation)
    assert not list(tmp_path.iterdir())
