"""Files for The Well: they follow its specification and hold what was simulated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data import (
    DataRequest,
    Problem,
    Trajectories,
    make_dataset,
)
from wavelit_plugin.data.store import Workshop
from wavelit_plugin.errors import ConfigError, DataError, HostError
from wavelit_plugin.hosts.the_well.writer import stored_fields, vector_name

Simulated = Callable[[DataRequest, str], Trajectories]

h5py = pytest.importorskip("h5py")
COUNTS = {"train": 5, "valid": 1, "test": 1}
pytestmark = pytest.mark.usefixtures("small_chunks")


def request(out: Path, problem: str = "acoustics", **changes: object) -> DataRequest:
    values: dict[str, object] = {"size": 16, "trajectories": 5, "frames": 4, "oversample": 1}
    return DataRequest(out=out, problem=problem, host="the_well", **{**values, **changes})  # type: ignore[arg-type]


def opened(out: Path, asked: DataRequest, split: str = "train") -> Any:
    name = f"{asked.problem}_{asked.size}.hdf5"
    return h5py.File(out / asked.layout_name() / "data" / split / name)


def numbers(held: Any) -> Tensor:
    return torch.from_numpy(held[:])


def plain(out: Path) -> dict[str, Any]:
    return yaml.safe_load((out / "stats.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("boundary", ["open", "wall", "periodic"])
def test_a_maze_has_its_fields_constants_and_boundary(
    out: Path, boundary: str, simulated: Simulated
) -> None:
    asked = request(out, medium="maze", boundary=boundary)
    report = make_dataset(asked)
    assert report.trajectories == COUNTS
    assert report.files == ("acoustic_scattering_maze", "acoustic_scattering_maze.json")
    for split, count in COUNTS.items():
        truth = simulated(asked, split)
        with opened(out, asked, split) as file:
            assert file.attrs["n_trajectories"] == count
            scalars, vectors = file["t0_fields"], file["t1_fields"]
            assert list(scalars.attrs["field_names"]) == ["pressure", "density", "speed"]
            assert list(vectors.attrs["field_names"]) == ["velocity"]
            assert torch.equal(numbers(scalars["pressure"]), truth.fields[:, :, 0])
            assert torch.equal(numbers(vectors["velocity"]), truth.fields[:, :, 1:].movedim(2, -1))
            for index, name in enumerate(("density", "speed")):
                assert torch.equal(numbers(scalars[name]), truth.constants[:, index])
            kinds = {name: held.attrs["bc_type"] for name, held in
                     file["boundary_conditions"].items()}  # fmt: skip
            assert kinds == {f"{axis}_{boundary}": boundary.upper() for axis in "xy"}


def test_parameters_are_scalars_of_a_trajectory(out: Path, simulated: Simulated) -> None:
    asked = request(out, "buoyant-flow")
    make_dataset(asked)
    with opened(out, asked) as file:
        assert list(file["scalars"].attrs["field_names"]) == ["buo_y"]
        held = file["scalars"]["buo_y"]
        assert held.attrs["sample_varying"]
        assert not held.attrs["time_varying"]
        assert torch.equal(numbers(held), simulated(asked, "train").parameters[:, 0])


def test_three_axes_and_one(out: Path, invented: dict[str, Problem], simulated: Simulated) -> None:
    light, chaos = request(out / "3", "light", trajectories=2), request(out / "1", "chaos")
    for asked in (light, chaos):
        make_dataset(asked)
    with opened(out / "3", light) as file:
        truth = simulated(light, "train").fields
        assert list(file["t1_fields"].attrs["field_names"]) == ["d", "h"]
        assert torch.equal(numbers(file["t1_fields"]["h"]), truth[:, :, 3:].movedim(2, -1))
        assert list(file["dimensions"].attrs["spatial_dims"]) == ["x", "y", "z"]
    with opened(out / "1", chaos) as file:
        assert torch.equal(
            numbers(file["t0_fields"]["u"]), simulated(chaos, "train").fields[:, :, 0]
        )


def test_every_part_says_what_it_varies_along(out: Path) -> None:
    """The rules of the specification, of which the shapes follow."""
    asked = request(out, medium="inclusions", interval=0.5)
    make_dataset(asked)
    with opened(out, asked) as file:
        frames, size = 4, 16
        assert file.attrs["dataset_name"] == "acoustics"
        assert file.attrs["grid_type"] == "cartesian"
        assert file.attrs["n_spatial_dims"] == 2
        assert list(file.attrs["simulation_parameters"]) == []
        times = file["dimensions"]["time"]
        # its own axis is time, and the host's check of the format counts axes by this
        assert times.attrs["time_varying"]
        assert_close(numbers(times), torch.tensor([0.0, 0.5, 1.0, 1.5]))
        assert_close(numbers(file["dimensions"]["x"]), (torch.arange(16) + 0.5) / 16)
        assert list(file["t2_fields"].attrs["field_names"]) == []
        for name, order in (("t0_fields", 0), ("t1_fields", 1)):
            for held in file[name].values():
                assert held.dtype == np.float32
                assert held.attrs["sample_varying"]
                assert held.attrs["dim_varying"].tolist() == [True, True]
                time = (frames,) if held.attrs["time_varying"] else ()
                assert held.shape == (5, *time, size, size, *(2,) * order)
        for axis in "xy":
            condition = file["boundary_conditions"][f"{axis}_open"]
            assert list(condition.attrs["associated_dims"]) == [axis]
            assert list(condition.attrs["associated_fields"]) == []
            mask = numbers(condition["mask"])
            assert mask.nonzero().flatten().tolist() == [0, 15]
            assert condition["values"].shape == (2,)
        parts = [*file["dimensions"].values(), *file["boundary_conditions"].values()]
        for held in (*parts, *file["t0_fields"].values()):
            for attribute in ("sample_varying", "time_varying"):
                assert isinstance(held.attrs[attribute], np.bool_)


def test_statistics_are_those_of_the_training_split(out: Path, simulated: Simulated) -> None:
    asked = request(out, medium="layers")
    make_dataset(asked)
    found = plain(out / "acoustic_scattering_discontinuous")
    truth = simulated(asked, "train")
    fields, constants = truth.fields.double(), truth.constants.double()
    change = fields.diff(dim=1)
    numbers_of: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": lambda u: u.mean(),
        "std": lambda u: u.std(correction=0),
        "rms": lambda u: u.square().mean().sqrt(),
    }
    for kind, of in numbers_of.items():
        expected = [float(of(fields[:, :, index])) for index in range(3)]
        assert found[kind]["pressure"] == pytest.approx(expected[0], rel=1e-9)
        assert found[kind]["velocity"] == pytest.approx(expected[1:], rel=1e-9)
        for index, name in enumerate(("density", "speed")):
            assert found[kind][name] == pytest.approx(float(of(constants[:, index])), rel=1e-9)
        changed = [float(of(change[:, :, index])) for index in range(3)]
        assert set(found[f"{kind}_delta"]) == {"pressure", "velocity"}
        assert found[f"{kind}_delta"]["pressure"] == pytest.approx(changed[0], rel=1e-9)
        assert found[f"{kind}_delta"]["velocity"] == pytest.approx(changed[1:], rel=1e-9)


@pytest.mark.parametrize(
    ("problem", "medium", "layout"),
    [
        ("acoustics", "maze", "acoustic_scattering_maze"),
        ("acoustics", "inclusions", "acoustic_scattering_inclusions"),
        ("acoustics", "layers", "acoustic_scattering_discontinuous"),
        ("acoustics", "uniform", "dummy"),
        ("helmholtz", "staircase", "helmholtz_staircase"),
        ("helmholtz", "empty", "dummy"),
        ("gray-scott", None, "gray_scott_reaction_diffusion"),
        ("kolmogorov", None, "shear_flow"),
        ("buoyant-flow", None, "rayleigh_benard"),
        ("shallow-water", None, "planetswe"),
        ("maxwell", None, "dummy"),
        ("kuramoto-sivashinsky", None, "dummy"),
    ],
)
def test_a_problem_gets_the_name_of_the_same_physics(
    out: Path, problem: str, medium: str | None, layout: str
) -> None:
    assert request(out, problem, medium=medium).layout_name() == layout


def test_the_metadata_name_the_channels_in_the_order_of_the_host(out: Path) -> None:
    make_dataset(request(out, medium="maze"))
    facts = json.loads((out / "acoustic_scattering_maze.json").read_text(encoding="utf-8"))
    assert facts["layout"] == {
        "well_dataset_name": "acoustic_scattering_maze",
        "dataset_name": "acoustics",
        "fields": ["pressure", "velocity_x", "velocity_y"],
        "constant_fields": ["density", "speed"],
        "scalars": [],
    }


def test_vectors_of_another_length_are_stored_as_scalars(invented: dict[str, Problem]) -> None:
    light = invented["light"]
    assert [field.name for field in stored_fields(light)] == ["d", "h"]
    # the components of three axes on two
    (flat,) = [type(light)(**{**_parts(light), "ndim": 2})]
    assert [field.name for field in stored_fields(flat)] == list(light.fields)
    assert vector_name(("east", "north"), 1) == "vector1"


def _parts(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in problem.__dataclass_fields__}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "shear_flow"}, "holds kolmogorov, got acoustics"),
        (
            {"layout": "acoustic_scattering_maze", "medium": "layers"},
            "holds acoustics of medium maze, got acoustics of medium layers; use layout 'dummy'",
        ),
        ({"layout": "acoustic_scatering_maze"}, "did you mean 'acoustic_scattering_maze'"),
    ],
)
def test_another_layout_is_refused(out: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(out, "acoustics", **changes)
    assert not out.exists()


def test_what_was_not_made_here_is_never_replaced(out: Path) -> None:
    kept = out / "acoustic_scattering_maze" / "data" / "train" / "original.hdf5"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"precious")
    for overwrite in (False, True):
        with pytest.raises(DataError, match="what was not made here; use another folder"):
            make_dataset(request(out, medium="maze", overwrite=overwrite))
    assert kept.read_bytes() == b"precious"


def test_a_strangers_file_in_our_folder_is_kept(out: Path) -> None:
    make_dataset(request(out, medium="maze"))
    note = out / "acoustic_scattering_maze" / "notes.txt"
    note.write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds notes\.txt"):
        make_dataset(request(out, medium="maze", overwrite=True, seed=1))
    assert note.exists()


def test_the_same_request_again_does_nothing_and_another_needs_overwrite(out: Path) -> None:
    make_dataset(request(out, medium="maze"))
    assert make_dataset(request(out, medium="maze")).already_complete
    with pytest.raises(DataError, match="already holds acoustic_scattering_maze"):
        make_dataset(request(out, medium="maze", seed=1))
    assert not make_dataset(request(out, medium="maze", seed=1, overwrite=True)).already_complete
    assert [path.name for path in out.glob(".*")] == []


def test_a_run_that_was_stopped_while_publishing_goes_on(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Workshop._replace

    def stopped(self: Workshop, name: str) -> None:
        if name.endswith(".json"):
            raise KeyboardInterrupt
        original(self, name)

    monkeypatch.setattr(Workshop, "_replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(request(out, medium="maze"))
    monkeypatch.undo()
    assert not make_dataset(request(out, medium="maze")).already_complete
    assert make_dataset(request(out, medium="maze")).already_complete


def test_without_h5py_the_remedy_is_named(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavelit_plugin.hosts.the_well.writer.find_spec", lambda _: None)
    with pytest.raises(HostError, match=r"pip install 'wavelit-plugin\[the-well\]'"):
        make_dataset(request(out))
