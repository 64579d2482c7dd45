"""Files for PDEArena: they hold what was simulated, and are refused where no pipe could read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data import (
    DataRequest,
    Problem,
    Trajectories,
    make_dataset,
)
from wavelit_plugin.data.store import digest
from wavelit_plugin.errors import DataError
from wavelit_plugin.hosts.pdearena.writer import vorticity

Simulated = Callable[[DataRequest, str], Trajectories]

h5py = pytest.importorskip("h5py")
COUNTS = {"train": 5, "valid": 1, "test": 1}
pytestmark = pytest.mark.usefixtures("small_chunks")


def request(out: Path, problem: str = "kolmogorov", **changes: object) -> DataRequest:
    values: dict[str, object] = {"size": 16, "trajectories": 5, "frames": 14, "oversample": 1}
    return DataRequest(out=out, problem=problem, host="pdearena", **{**values, **changes})  # type: ignore[arg-type]


def read(path: Path, group: str) -> dict[str, Tensor]:
    with h5py.File(path) as file:
        assert list(file) == [group]
        return {name: torch.from_numpy(held[:]) for name, held in file[group].items()}


@pytest.mark.parametrize("problem", ["kolmogorov", "buoyant-flow", "acoustics"])
def test_flow_files_hold_the_simulated_fields(
    out: Path, problem: str, simulated: Simulated
) -> None:
    asked = request(out, problem)
    report = make_dataset(asked)
    assert report.trajectories == COUNTS
    assert report.files == (
        *(f"{problem}_{split}_16.h5" for split in COUNTS), f"{problem}_16.json"
    )  # fmt: skip
    for split in COUNTS:
        truth = simulated(asked, split)
        held = read(out / f"{problem}_{split}_16.h5", split)
        for index, name in enumerate(("u", "vx", "vy")):
            assert torch.equal(held[name], truth.fields[:, :, index])
        assert held["x"].shape == held["y"].shape == (len(truth.fields), 16)
        assert held["t"].shape == (len(truth.fields), 14)
        assert ("buo_y" in held) == (problem == "buoyant-flow")
        if problem == "buoyant-flow":
            assert torch.equal(held["buo_y"], truth.parameters[:, 0])


def test_splits_are_different_trajectories(out: Path) -> None:
    make_dataset(request(out))
    first = [read(out / f"kolmogorov_{split}_16.h5", split)["u"][0] for split in COUNTS]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert float((first[a] - first[b]).abs().max()) > 0.5


def test_chaos_files_hold_the_field_and_the_parameters(
    out: Path, invented: dict[str, Problem], simulated: Simulated
) -> None:
    asked = request(out, "chaos")
    make_dataset(asked)
    for split in COUNTS:
        truth, held = simulated(asked, split), read(out / f"chaos_{split}_16.h5", split)
        assert set(held) == {"pde_14-16", "dt", "dx", "v"}
        assert torch.equal(held["pde_14-16"], truth.fields[:, :, 0])
        for index, name in enumerate(("dt", "dx", "v")):
            assert torch.equal(held[name], truth.parameters[:, index])


def test_maxwell_files_hold_components_last(
    out: Path, invented: dict[str, Problem], simulated: Simulated
) -> None:
    asked = request(out, "light", frames=2)
    make_dataset(asked)
    for split in COUNTS:
        truth, held = simulated(asked, split).fields, read(out / f"light_{split}_16.h5", split)
        assert torch.equal(held["d_field"], truth[:, :, :3].movedim(2, -1))
        assert torch.equal(held["h_field"], truth[:, :, 3:].movedim(2, -1))


def test_water_files_have_x_last_and_vorticity(
    out: Path, invented: dict[str, Problem], simulated: Simulated
) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    asked = request(out, "water")
    report = make_dataset(asked)
    names = ("train.zarr", "valid.zarr", "test.zarr", "normstats.pt", "shallowwater2d.json")
    assert report.files == names
    for split in COUNTS:
        truth = simulated(asked, split).fields
        data = xarray.open_zarr(out / f"{split}.zarr")
        held = {name: torch.from_numpy(data[name].to_numpy()) for name in data}
        assert torch.equal(held["pres"].mT, truth[:, :, 0])
        assert torch.equal(held["u"][:, :, 0].mT, truth[:, :, 1])
        assert torch.equal(held["v"][:, :, 0].mT, truth[:, :, 2])
        assert torch.equal(held["vor"][:, :, 0].mT, vorticity(truth[:, :, 1], truth[:, :, 2]))
        if split == "train":
            norms = torch.load(out / "normstats.pt", weights_only=True)
            for name in ("pres", "vor"):
                values = held[name].double()
                assert_close(float(norms[name]["mean"]), float(values.mean()), rtol=0, atol=1e-6)
                assert_close(
                    float(norms[name]["std"]), float(values.std(correction=0)), rtol=1e-6, atol=0
                )


def test_vorticity_is_that_of_a_known_flow() -> None:
    points = 2 * torch.pi * torch.arange(16, dtype=torch.float64) / 16
    x, y = points[:, None].expand(16, 16), points.expand(16, 16)
    known = 2 * torch.pi * (3 * (3 * x).cos() * (2 * y).sin() + 5 * (5 * y).sin())
    # v_x = cos 5y, v_y = sin 3x sin 2y, on the square of edge 1
    assert_close(vorticity((5 * y).cos(), (3 * x).sin() * (2 * y).sin()), known)


def test_constants_without_a_place_are_named(out: Path) -> None:
    report = make_dataset(request(out, "acoustics"))
    assert report.left_out == ("density", "speed")
    facts = json.loads((out / "acoustics_16.json").read_text(encoding="utf-8"))
    assert facts["layout"]["not_stored"] == ["density", "speed"]
    assert make_dataset(request(out.with_name("other"))).left_out == ()


def test_metadata_names_parameters_and_vectors(out: Path) -> None:
    make_dataset(request(out, "buoyant-flow"))
    facts = json.loads((out / "buoyant-flow_16.json").read_text(encoding="utf-8"))
    assert facts["parameter_names"] == ["buo_y"]
    assert facts["vectors"] == [["velocity_x", "velocity_y"]]
    assert "buo_y" in facts["units"]
    assert facts["layout"]["tasks"] == ["NavierStokes2D", "Cond-NavierStokes2D"]


def stop(done: int, total: int, what: str) -> None:
    if what == "writing" and done == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("problem", ["kolmogorov", "water"])
def test_a_stopped_run_gives_the_same_files_in_the_end(
    out: Path, invented: dict[str, Problem], problem: str
) -> None:
    report = make_dataset(request(out / "whole", problem))
    with pytest.raises(KeyboardInterrupt):
        make_dataset(request(out / "torn", problem), stop)
    assert [path.name.startswith(".wavelit-") for path in (out / "torn").iterdir()] == [True]
    make_dataset(request(out / "torn", problem))
    for name in report.files:
        assert digest(out / "torn" / name) == digest(out / "whole" / name), name
    assert make_dataset(request(out / "torn", problem)).already_complete


@pytest.mark.parametrize("problem", ["kolmogorov", "water"])
def test_nothing_is_replaced_unless_asked_to(
    out: Path, invented: dict[str, Problem], problem: str
) -> None:
    report = make_dataset(request(out, problem))
    before = [digest(out / name) for name in report.files]
    with pytest.raises(DataError, match="use another folder or overwrite"):
        make_dataset(request(out, problem, seed=1))
    assert [digest(out / name) for name in report.files] == before
    make_dataset(request(out, problem, seed=1, overwrite=True))
    after = [digest(out / name) for name in report.files]
    assert not set(before) & set(after)
    assert sorted(path.name for path in out.iterdir()) == sorted(report.files)


def test_a_folder_of_zarr_is_guarded_as_a_file_is(out: Path, invented: dict[str, Problem]) -> None:
    make_dataset(request(out, "water"))
    inner = next(path for path in sorted((out / "train.zarr" / "u").iterdir()) if path.is_file())
    inner.write_bytes(b"changed")
    with pytest.raises(DataError, match=r"train\.zarr is missing or was changed"):
        make_dataset(request(out, "water"))


def test_the_split_for_validation_belongs_to_hosts_that_have_one(tmp_path: Path) -> None:
    assert request(tmp_path).counts() == COUNTS
    other = DataRequest(out=tmp_path, trajectories=5)
    assert other.counts() == {"train": 5, "test": 1}
