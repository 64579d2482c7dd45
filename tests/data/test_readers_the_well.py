"""The reader of The Well's files gives what was written, and refuses what breaks the rules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.data import DataRequest, make_dataset, simulate_dataset
from wavelit_plugin.data.readers.the_well import THE_WELL
from wavelit_plugin.errors import DataError

h5py = pytest.importorskip("h5py")
MAZE = "acoustic_scattering_maze"
SIZES: dict[str, Any] = {"size": 16, "frames": 4, "oversample": 1, "seed": 3}


def make(out: Path, problem: str = "acoustics", **changes: Any) -> Path:
    given = {**SIZES, "trajectories": 3, "test_trajectories": 2, **changes}
    make_dataset(DataRequest(out=out, problem=problem, host="the_well", **given))
    return out


def edited(out: Path, change: Callable[[Any], object], split: str = "train") -> None:
    (path,) = (out / MAZE / "data" / split).glob("*.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)


def test_pairs_are_neighbouring_frames_with_the_constants(out: Path) -> None:
    make(out, medium="maze", boundary="wall")
    assert THE_WELL.names(out) == (MAZE,)
    assert THE_WELL.names(out / MAZE) == (MAZE,)
    data = THE_WELL.read(out, MAZE)
    assert data.fields == ("pressure", "velocity_x", "velocity_y")
    assert data.constants == ("density", "speed")
    assert data.boundary == ("wall", "wall")
    for split, count in (("train", 3), ("valid", 2), ("test", 2)):
        truth = simulate_dataset(
            "acoustics", split=split, trajectories=count, medium="maze", boundary="wall", **SIZES
        )
        x, y = getattr(data, split)
        assert_close(y, truth.fields[:, 1:].flatten(0, 1), rtol=0.0, atol=0.0)
        assert_close(x[:, :3], truth.fields[:, :-1].flatten(0, 1), rtol=0.0, atol=0.0)
        constants = truth.constants.repeat_interleave(3, dim=0)
        assert_close(x[:, 3:], constants, rtol=0.0, atol=0.0)
    assert data.trajectories is not None
    assert data.trajectories.fields.shape == (2, 4, 3, 16, 16)
    assert torch.equal(THE_WELL.read(out / MAZE, MAZE).train.x, data.train.x)


def test_scalars_that_differ_are_inputs(out: Path) -> None:
    data = THE_WELL.read(make(out, "buoyant-flow"), "rayleigh_benard")
    assert data.constants == ("buo_y",)
    truth = simulate_dataset("buoyant-flow", split="train", trajectories=3, **SIZES)
    assert_close(data.train.x[::3, 3, 0, 0], truth.parameters[:, 0])
    assert data.boundary == ("periodic", "periodic")


def test_three_axes(out: Path) -> None:
    data = THE_WELL.read(make(out, "maxwell", trajectories=1, test_trajectories=1), "dummy")
    assert data.fields == ("d_x", "d_y", "d_z", "h_x", "h_y", "h_z")
    assert data.size == (16, 16, 16)


def test_without_validation_a_part_of_training_is_held_back(out: Path) -> None:
    make(out, medium="maze")
    (path,) = (out / MAZE / "data" / "valid").glob("*.hdf5")
    whole = THE_WELL.read(out, MAZE)
    path.unlink()
    data = THE_WELL.read(out, MAZE)
    assert torch.equal(torch.cat([data.train.x, data.valid.x]), whole.train.x)
    assert len(data.valid.x) == 3


def test_what_does_not_vary_is_stored_once(out: Path) -> None:
    """The specification lets a field leave out axes that it does not vary along."""
    make(out, medium="maze")
    values = torch.arange(16.0)

    def change(file: Any) -> None:
        del file["t0_fields"]["density"]
        held = file["t0_fields"].create_dataset("density", data=values.numpy())
        held.attrs["sample_varying"] = held.attrs["time_varying"] = False
        held.attrs["dim_varying"] = [False, True]

    for split in ("train", "valid", "test"):
        edited(out, change, split)
    x = THE_WELL.read(out, MAZE).train.x
    assert_close(x[:, 3], values.expand(9, 16, 16), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda file: file["t0_fields"]["pressure"].attrs.__setitem__("dim_varying", [True, 0]),
            r"/t0_fields/pressure of .* must have shape \(3, 4, 16\) by .*, got \(3, 4, 16, 16\)",
        ),
        (lambda file: file.__delitem__("t2_fields"), "breaks The Well's specification.*t2_fields"),
        (lambda file: file.attrs.__delitem__("n_trajectories"), "specification.*n_trajectories"),
        (
            lambda file: file["t0_fields"]["pressure"].__setitem__((1, 2, 3, 4), float("nan")),
            "train split of .* holds NaN",
        ),
    ],
    ids=["shape", "group", "attribute", "nan"],
)
def test_a_file_that_breaks_the_rules_is_named(
    out: Path, change: Callable[[Any], object], message: str
) -> None:
    edited(make(out, medium="maze"), change)
    with pytest.raises(DataError, match=message):
        THE_WELL.read(out, MAZE)


def test_splits_that_differ_are_refused(out: Path) -> None:
    edited(make(out, medium="maze"), _rename, "valid")
    with pytest.raises(DataError, match="valid differs from the first training file"):
        THE_WELL.read(out, MAZE)


def _rename(file: Any) -> None:
    group = file["t0_fields"]
    group.move("speed", "celerity")
    group.attrs["field_names"] = ["pressure", "density", "celerity"]


def test_a_damaged_file_is_named(out: Path) -> None:
    make(out, medium="maze")
    (path,) = (out / MAZE / "data" / "test").glob("*.hdf5")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        DataError, match=r"test.*hdf5 breaks The Well's specification or is damaged"
    ):
        THE_WELL.read(out, MAZE)
