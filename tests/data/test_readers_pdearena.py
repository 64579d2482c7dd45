"""Reading PDEArena's HDF5 files as they were simulated."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wavelit_plugin.data import DataRequest, Problem, Trajectories, make_dataset, simulate_dataset
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.errors import DataError, HostError

h5py = pytest.importorskip("h5py")
FRAMES = 14


def made(out: Path, problem: str, **changes: object) -> DataRequest:
    values: dict[str, object] = {
        "size": 16,
        "trajectories": 5,
        "test_trajectories": 2,
        "frames": FRAMES,
        "oversample": 1,
    }
    request = DataRequest(out=out, problem=problem, host="pdearena", **{**values, **changes})  # type: ignore[arg-type]
    make_dataset(request)
    return request


def simulated(request: DataRequest, split: str) -> Trajectories:
    return simulate_dataset(
        request.problem,
        size=request.size,
        trajectories=request.count(split),
        frames=request.frames,
        seed=request.seed,
        split=split,
        oversample=request.oversample,
    )


def test_flow_files_are_read_as_they_were_simulated(out: Path) -> None:
    request = made(out, "buoyant-flow")
    data = read_grid_data(out)
    assert data.name == "buoyant-flow"
    assert data.fields == ("u", "vx", "vy")
    assert data.constants == data.parameters == ("buo_y",)
    assert data.boundary == ("periodic", "periodic")
    for split, pairs in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        truth = simulated(request, split)
        assert torch.equal(pairs.y, truth.fields[:, 1:].flatten(0, 1))
        assert torch.equal(pairs.x[:, :3], truth.fields[:, :-1].flatten(0, 1))
        buoyancy = truth.parameters.repeat_interleave(FRAMES - 1, dim=0)
        assert torch.equal(pairs.x[:, 3, 0, 0], buoyancy[:, 0])
    assert data.trajectories is not None
    assert torch.equal(data.trajectories.fields, simulated(request, "test").fields)
    assert data.trajectories.constants.shape == (2, 1, 16, 16)


@pytest.mark.parametrize(
    ("problem", "fields", "ndim"),
    [("chaos", ("u",), 1), ("light", ("d_x", "d_y", "d_z", "h_x", "h_y", "h_z"), 3)],
)
def test_every_layout_is_read_field_by_field(
    out: Path, invented: dict[str, Problem], problem: str, fields: tuple[str, ...], ndim: int
) -> None:
    request = made(out, problem)
    data = read_grid_data(out)
    assert data.fields == fields
    assert data.size == (16,) * ndim
    assert torch.equal(data.test.y, simulated(request, "test").fields[:, 1:].flatten(0, 1))


def test_numbers_that_do_not_vary_are_no_input(out: Path) -> None:
    made(out, "kolmogorov")
    with h5py.File(out / "kolmogorov_train_16.h5", "a") as file:
        file["train"]["dt"] = torch.ones(5).numpy()
        # of the axes, not of the trajectories
        file["train"]["frequencies"] = torch.rand(7).numpy()
    data = read_grid_data(out)
    assert data.constants == data.parameters == ()


def test_several_files_of_a_split_are_joined(out: Path) -> None:
    made(out, "kolmogorov")
    before = read_grid_data(out)
    shutil.copy(out / "kolmogorov_train_16.h5", out / "kolmogorov_train_16_more.h5")
    data = read_grid_data(out)
    assert torch.equal(data.train.x, torch.cat([before.train.x, before.train.x]))


def test_without_a_validation_file_the_last_training_trajectories_validate(out: Path) -> None:
    made(out, "kolmogorov")
    before = read_grid_data(out)
    (out / "kolmogorov_valid_16.h5").unlink()
    data = read_grid_data(out)
    assert torch.equal(torch.cat([data.train.x, data.valid.x]), before.train.x)
    assert len(data.valid.x) == FRAMES - 1


def test_files_that_cannot_be_used_are_named(out: Path) -> None:
    made(out, "kolmogorov")
    path = out / "kolmogorov_train_16.h5"
    with h5py.File(path, "w") as file:
        file.create_group("train")["w"] = torch.rand(3, 4, 16, 16).numpy()
    with pytest.raises(DataError, match="only these layouts of PDEArena are read"):
        read_grid_data(out)
    with h5py.File(path, "w") as file:
        file.create_group("else")
    with pytest.raises(DataError, match=r"kolmogorov_train_16\.h5 cannot be read"):
        read_grid_data(out)
    path.write_bytes(b"no HDF5")
    with pytest.raises(DataError, match="cannot be read as PDEArena's train split"):
        read_grid_data(out)


@pytest.mark.parametrize(
    ("key", "index", "told"),
    [
        ("vx", (1, 5, 2, 2), r"vx, the first in trajectory 1, frame 5 \(counted from 0\); repair"),
        ("buo_y", (1,), r"buo_y, the first in trajectory 1 \("),
    ],
)
def test_values_that_are_not_finite_are_told_with_their_place(
    out: Path, key: str, index: tuple[int, ...], told: str
) -> None:
    made(out, "buoyant-flow")
    with h5py.File(out / "buoyant-flow_test_16.h5", "a") as file:
        file["test"][key][index] = float("nan")
    with pytest.raises(
        DataError, match=rf"flow_test_16\.h5 holds 1 NaN or infinite values of {told}"
    ):
        read_grid_data(out)


def test_a_component_that_is_not_finite_is_named(out: Path, invented: dict[str, Problem]) -> None:
    made(out, "light")
    with h5py.File(out / "light_train_16.h5", "a") as file:
        file["train"]["h_field"][3, 2, 1, 1, 1, 2] = float("inf")
    with pytest.raises(DataError, match=r"values of h_z, the first in trajectory 3, frame 2 \("):
        read_grid_data(out)


@pytest.mark.parametrize("shape", [(5, FRAMES, 16, 8), (4, FRAMES, 16, 16), (5, FRAMES), ()])
def test_fields_of_different_shapes_are_refused(out: Path, shape: tuple[int, ...]) -> None:
    made(out, "kolmogorov")
    with h5py.File(out / "kolmogorov_train_16.h5", "a") as file:
        del file["train"]["vx"]
        file["train"]["vx"] = torch.rand(shape).numpy()
    with pytest.raises(DataError, match=r"train_16\.h5 (must be|cannot be)|vx of .* must be"):
        read_grid_data(out)


def test_a_vector_without_three_components_is_refused(
    out: Path, invented: dict[str, Problem]
) -> None:
    made(out, "light")
    with h5py.File(out / "light_train_16.h5", "a") as file:
        values = file["train"]["h_field"][..., :2]
        del file["train"]["h_field"]
        file["train"]["h_field"] = values
    with pytest.raises(DataError, match=r"h_field of .*got \(5, 14, 16, 16, 16, 2\)"):
        read_grid_data(out)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("train/vx", None, "train has u, vy on .*; valid has u, vx, vy on .*; test has u, vx, vy"),
        ("train", np.zeros(3), r"train_16\.h5 holds nothing, expected u, vx and vy"),
        ("train/u", np.array([b"a", b"b"]), r"u of .*train_16\.h5 must hold real numbers, got "),
        ("train/u", np.zeros((5, FRAMES, 16, 16), "c8"), "must hold real numbers, got complex64"),
        ("train/u", np.zeros(()), r"u of .* must be \(trajectory, frame, \*space\).*got \(\)"),
    ],
)
def test_what_is_no_field_is_told(out: Path, key: str, value: object, told: str) -> None:
    made(out, "kolmogorov")
    with h5py.File(out / "kolmogorov_train_16.h5", "a") as file:
        del file[key]
        if value is not None:
            file[key] = value
    with pytest.raises(DataError, match=told):
        read_grid_data(out)


def test_a_parameter_that_the_test_lacks_is_named(out: Path) -> None:
    made(out, "buoyant-flow")
    with h5py.File(out / "buoyant-flow_test_16.h5", "a") as file:
        del file["test"]["buo_y"]
    with pytest.raises(DataError, match=r"flow_test lacks buo_y of its trajectories"):
        read_grid_data(out)


def test_sizes_that_share_a_folder_are_refused(out: Path) -> None:
    made(out, "kolmogorov")
    with h5py.File(out / "kolmogorov_train_32.h5", "w") as file:
        group = file.create_group("train")
        for name in ("u", "vx", "vy"):
            group[name] = torch.rand(1, FRAMES, 32, 32).numpy()
    with pytest.raises(DataError, match="keep each size in a folder of its own"):
        read_grid_data(out)


def test_without_h5py_the_extra_is_named(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(out, "kolmogorov")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(HostError, match=r"install wavelit-plugin\[pdearena\]"):
        read_grid_data(out)
