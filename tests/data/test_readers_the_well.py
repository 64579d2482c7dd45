"""The reader of The Well's files gives what was written, and refuses what breaks the rules."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.data import DataRequest, make_dataset, simulate_dataset
from wavelit_plugin.errors import DataError
from wavelit_plugin.hosts.the_well.reader import READER as THE_WELL
from wavelit_plugin.hosts.the_well.reader import read_file

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
    assert data.constants == data.parameters == ("buo_y",)
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


def attribute(place: str, name: str, value: object) -> Callable[[Any], object]:
    return lambda file: file[place].attrs.__setitem__(name, value)


def without(place: str, name: str) -> Callable[[Any], object]:
    return lambda file: file[place].attrs.__delitem__(name)


def numbers(place: str, index: tuple[int, ...], value: float) -> Callable[[Any], object]:
    return lambda file: file[place].__setitem__(index, value)


def words(file: Any) -> None:
    del file["t0_fields/speed"]
    held = file["t0_fields"].create_dataset("speed", data=["fast", "slow", "slow"])
    held.attrs["sample_varying"], held.attrs["time_varying"] = True, False
    held.attrs["dim_varying"] = [False, False]


def everything_stands_still(file: Any) -> None:
    file["t0_fields"].attrs["field_names"] = ["density", "speed"]
    file["t1_fields"].attrs["field_names"] = []


P, V, M = "t0_fields/pressure", "t1_fields/velocity", "boundary_conditions/x_open"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (attribute(P, "dim_varying", [True, 0]), r"\(3, 4, 16\) for /t0_fields/pressure .* 16\)"),
        (attribute(P, "dim_varying", [True] * 3), r"numbers of shape .* for /t0_fields/pressure"),
        (words, r"shape \(3,\) for /t0_fields/speed .* holds \(3,\) of object"),
        (lambda file: file.__delitem__("t2_fields"), "it lacks /t2_fields; make"),
        (lambda file: file["dimensions"].__delitem__("y"), "it lacks /dimensions/y;"),
        (lambda file: file["t1_fields"].__delitem__("velocity"), "it lacks /t1_fields/velocity;"),
        (without("/", "n_trajectories"), "it lacks the attribute n_trajectories of /;"),
        (without("dimensions", "spatial_dims"), "the attribute spatial_dims of /dimensions;"),
        (without("scalars", "field_names"), "the attribute field_names of /scalars;"),
        (without(V, "sample_varying"), "the attribute sample_varying of /t1_fields/velocity;"),
        (without(M, "bc_type"), "the attribute bc_type of /boundary_conditions/x_open;"),
        (attribute(M, "associated_dims", ["z"]), "the unknown axis z in /boundary_conditions/x_op"),
        (attribute("/", "n_spatial_dims", 3), r"has 3 as n_spatial_dims and the axes \('x', '"),
        (attribute("/", "n_trajectories", "3"), "'3' as the attribute n_trajectories of /, not"),
        (attribute("/", "n_trajectories", 0), "it holds 0 trajectories of 4 frames;"),
        (everything_stands_still, "it has no field that varies in time;"),
    ],
)  # fmt: skip
def test_a_file_that_breaks_the_specification_is_told_with_the_place(
    out: Path, change: Callable[[Any], object], message: str
) -> None:
    edited(make(out, medium="maze"), change)
    with pytest.raises(
        DataError, match=r"train/acoustics_16\.hdf5 breaks The Well's spec.*"
    ) as told:
        THE_WELL.read(out, MAZE)
    assert re.search(message, str(told.value)), told.value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("place", "index", "told"),
    [
        (P, (1, 2, 3, 4), r"pressure, the first in trajectory 1, frame 2 \(counted from 0\); repa"),
        (V, (2, 3, 3, 4, 1), r"velocity_y, the first in trajectory 2, frame 3 \("),
        ("t0_fields/speed", (1, 3, 4), r"speed, the first in trajectory 1 \("),
    ],
)
def test_values_that_are_not_finite_are_told_with_their_place(
    out: Path, place: str, index: tuple[int, ...], told: str, value: float
) -> None:
    make(out, medium="maze", trajectories=3, test_trajectories=3)
    edited(out, numbers(place, index, value), "test")
    with pytest.raises(
        DataError, match=rf"test/acoustics_16\.hdf5 holds 1 NaN or infinite values of {told}"
    ):
        THE_WELL.read(out, MAZE)


def test_a_number_of_a_trajectory_that_is_not_finite_is_told(out: Path) -> None:
    make(out, "buoyant-flow")
    (path,) = (out / "rayleigh_benard" / "data" / "train").glob("*.hdf5")
    with h5py.File(path, "r+") as file:
        file["scalars"]["buo_y"][2] = float("nan")
    with pytest.raises(DataError, match=r"1 NaN or infinite values of buo_y, .* trajectory 2 \("):
        THE_WELL.read(out, "rayleigh_benard")


def test_nothing_in_a_file_gives_another_error_than_ours(out: Path) -> None:
    """Every part and attribute is taken away, or becomes something else, one at a time."""
    make(out, medium="maze", trajectories=2, frames=2)
    (path,) = (out / MAZE / "data" / "train").glob("*.hdf5")
    whole = path.read_bytes()
    places: list[str] = []
    with h5py.File(path) as file:
        file.visit(places.append)
        attributes = [(place, name) for place in ["/", *places] for name in file[place].attrs]
    errors: list[DataError] = []

    def change_and_read(change: Callable[[Any], object]) -> None:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            change(file)
        try:
            read_file(path)
        except DataError as error:
            errors.append(error)

    for place, name in attributes:
        change_and_read(without(place, name))
        for value in ("junk", -1, ["a", "b"], [True] * 4):
            change_and_read(attribute(place, name, value))
    for place in places:
        change_and_read(partial(_removed, place=place))
        for make_other in ("create_group", "create_dataset"):
            change_and_read(partial(_replaced, place=place, by=make_other))
    # the rest is what the reader does not look at
    assert len(errors) > 100
    assert all(str(path) in str(error) for error in errors)


def _removed(file: Any, *, place: str) -> None:
    del file[place]


def _replaced(file: Any, *, place: str, by: str) -> None:
    kept = dict(file[place].attrs)
    del file[place]
    made = (
        file.create_group(place) if by == "create_group" else file.create_dataset(place, data=1.0)
    )
    made.attrs.update(kept)


def test_trajectories_of_two_lengths_in_a_split_are_refused(out: Path) -> None:
    make(out, medium="maze")
    make(out.parent / "other", medium="maze", frames=5)
    (path,) = (out.parent / "other" / MAZE / "data" / "train").glob("*.hdf5")
    shutil.copy(path, out / MAZE / "data" / "train" / "more.hdf5")
    with pytest.raises(DataError, match=r"more\.hdf5 has 5 frames a trajectory and acoustics_16"):
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
        DataError, match=r"test/acoustics_16\.hdf5 is damaged or no HDF5 .*; copy it again"
    ):
        THE_WELL.read(out, MAZE)
