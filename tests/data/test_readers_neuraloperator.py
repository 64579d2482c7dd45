"""Reading neuraloperator's files: ours as they were simulated, and anybody's static pairs."""

from pathlib import Path

import pytest
import torch

from wavelit_plugin.data import DataRequest, make_dataset, simulate_dataset
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.errors import ConfigError, DataError

FRAMES = 4


def made(folder: Path, **changes: object) -> DataRequest:
    values: dict[str, object] = {
        "size": 16,
        "trajectories": 6,
        "test_trajectories": 2,
        "frames": FRAMES,
        "oversample": 1,
        "boundary": "wall",
    }
    request = DataRequest(out=folder, **{**values, **changes})  # type: ignore[arg-type]
    make_dataset(request)
    return request


def write(folder: Path, name: str, x: torch.Tensor, y: torch.Tensor) -> None:
    torch.save({"x": x, "y": y}, folder / name)


def test_our_files_are_read_as_they_were_simulated(tmp_path: Path) -> None:
    made(tmp_path)
    data = read_grid_data(tmp_path)
    asked = {"size": 16, "frames": FRAMES, "seed": 0, "oversample": 1, "boundary": "wall"}
    train = simulate_dataset(trajectories=6, **asked)  # type: ignore[arg-type]
    test = simulate_dataset(trajectories=2, split="test", **asked)  # type: ignore[arg-type]
    assert data.name == "acoustics_16"
    assert data.fields == ("pressure", "velocity_x", "velocity_y")
    assert data.constants == ("density", "speed")
    assert data.boundary == ("wall", "wall")
    assert data.continues
    # the last fifth of six trajectories, at least one
    assert torch.equal(data.train.y, train.fields[:5, 1:].flatten(0, 1))
    assert torch.equal(data.valid.y, train.fields[5:, 1:].flatten(0, 1))
    assert torch.equal(data.test.y, test.fields[:, 1:].flatten(0, 1))
    assert torch.equal(data.train.x[:, :3], train.fields[:5, :-1].flatten(0, 1))
    assert torch.equal(data.train.x[FRAMES - 1, 3:], train.constants[1])
    assert data.trajectories is not None
    assert torch.equal(data.trajectories.fields, test.fields)
    assert torch.equal(data.trajectories.constants, test.constants)


def test_parameters_are_constants_of_one_value(tmp_path: Path) -> None:
    made(tmp_path, problem="buoyant-flow", boundary=None)
    data = read_grid_data(tmp_path)
    assert data.constants == ("buo_y",)
    assert data.boundary == ("periodic", "periodic")
    assert data.trajectories is not None
    constants = data.trajectories.constants
    assert torch.equal(constants[:, :, :1, :1].expand_as(constants), constants)
    assert torch.equal(data.test.x[: FRAMES - 1, 3:], constants[:1].expand(FRAMES - 1, 1, 16, 16))
    assert data.trajectories.parameters.shape == (2, 0)


def test_a_layout_of_one_field_has_that_field_alone(tmp_path: Path) -> None:
    made(tmp_path, layout="darcy")
    data = read_grid_data(tmp_path)
    assert data.fields == ("pressure",)
    assert data.constants == ()
    assert data.train.x.shape == (5 * (FRAMES - 1), 1, 16, 16)
    assert data.trajectories is not None
    assert data.trajectories.fields.shape == (2, FRAMES, 1, 16, 16)
    assert torch.equal(data.trajectories.fields[0, 1:], data.test.y[: FRAMES - 1])


def test_static_pairs_without_a_channel_axis_are_read(tmp_path: Path) -> None:
    x, y = torch.rand(10, 8, 8) > 0.5, torch.rand(10, 8, 8)
    write(tmp_path, "darcy_train_8.pt", x, y)
    write(tmp_path, "darcy_test_8.pt", x[:3], y[:3])
    data = read_grid_data(tmp_path)
    assert not data.continues
    assert data.trajectories is None
    assert (data.fields, data.constants) == (("y",), ("x",))
    assert data.boundary == ("open", "open")
    assert torch.equal(data.train.x, x[:8, None].float())
    assert torch.equal(data.valid.y, y[8:, None])
    assert torch.equal(data.test.y, y[:3, None])


def test_a_channel_axis_stays_where_there_is_one(tmp_path: Path) -> None:
    x, y = torch.rand(5, 3, 16), torch.rand(5, 2, 16)
    write(tmp_path, "line_train_16.pt", x, y)
    write(tmp_path, "line_test_16.pt", x, y)
    data = read_grid_data(tmp_path)
    assert data.train.x.shape == (4, 3, 16)
    assert data.fields == ("y0", "y1")


def test_one_of_several_data_sets_is_chosen_by_name(tmp_path: Path) -> None:
    for size in (8, 16):
        part = torch.rand(5, size, size)
        for split in ("train", "test"):
            write(tmp_path, f"darcy_{split}_{size}.pt", part, part)
    with pytest.raises(DataError, match=r"holds 2 data sets; give .*darcy_16 or .*darcy_8"):
        read_grid_data(tmp_path)
    assert read_grid_data(tmp_path / "darcy_8").size == (8, 8)
    with pytest.raises(ConfigError, match="did you mean 'darcy_16'"):
        read_grid_data(tmp_path / "darcy_17")


def test_a_training_file_without_a_test_file_is_no_data_set(tmp_path: Path) -> None:
    write(tmp_path, "darcy_train_8.pt", torch.rand(5, 8, 8), torch.rand(5, 8, 8))
    with pytest.raises(DataError, match="no pairs of training and test files"):
        read_grid_data(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_grid_data(tmp_path / "no" / "data")


def refused(folder: Path, match: str, x: torch.Tensor, y: torch.Tensor) -> None:
    write(folder, "set_train_8.pt", x, y)
    write(folder, "set_test_8.pt", torch.rand(2, 8, 8), torch.rand(2, 8, 8))
    with pytest.raises(DataError, match=match):
        read_grid_data(folder)


def test_files_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path) -> None:
    good = torch.rand(5, 8, 8)
    broken = good.clone()
    broken[1, 2, 3] = torch.nan
    place = r"set_train_8\.pt holds 1 NaN or infinite values of {}, the first in sample 1 \(counted"
    refused(tmp_path, place.format("y in y"), good, broken)
    refused(tmp_path, place.format("x in x"), broken, good)
    refused(tmp_path, "do not go together", good, good[:3])
    refused(tmp_path, "differ in channels or size", good[:, :4], good[:, :4])
    refused(tmp_path, "at least 2 are needed", good[:1], good[:1])
    torch.save([good], tmp_path / "set_train_8.pt")
    with pytest.raises(DataError, match="must hold a dictionary"):
        read_grid_data(tmp_path)
    torch.save({"x": good}, tmp_path / "set_train_8.pt")
    with pytest.raises(DataError, match="tensors x and y"):
        read_grid_data(tmp_path)


@pytest.mark.parametrize(
    ("name", "key", "index", "told"),
    [
        ("acoustics_train_16", "x", (4, 3, 2, 2), r"1 NaN .* of density in x, .* sample 4 \("),
        ("acoustics_test_16", "y", (1, 2, 2, 2), r"1 NaN .* of velocity_y in y, .* sample 1 \("),
        (
            "acoustics_test_16_trajectories",
            "fields",
            (1, 3, 0, 2, 2),
            r"1 NaN .* of pressure, the first in trajectory 1, frame 3 \(counted from 0\); repair",
        ),
        (
            "acoustics_test_16_trajectories",
            "constants",
            (1, 1, 2, 2),
            r"1 NaN .* of speed, the first in trajectory 1 \(",
        ),
    ],
)
def test_values_that_are_not_finite_are_told_with_their_place(
    tmp_path: Path, name: str, key: str, index: tuple[int, ...], told: str
) -> None:
    made(tmp_path)
    path = tmp_path / f"{name}.pt"
    held = torch.load(path, weights_only=True)
    held[key][index] = torch.inf
    torch.save(held, path)
    with pytest.raises(DataError, match=rf"{name}\.pt holds {told}"):
        read_grid_data(tmp_path)


def test_channels_without_a_name_are_refused(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "acoustics_train_16.pt"
    held = torch.load(path, weights_only=True)
    for split in ("train", "test"):
        torch.save(
            {**held, "x": held["x"].repeat(1, 2, 1, 1)}, path.with_name(f"acoustics_{split}_16.pt")
        )
    with pytest.raises(DataError, match="10 channels in x, and 5 are described beside it"):
        read_grid_data(tmp_path)


def test_the_numbers_of_a_trajectory_are_told_apart_from_constant_fields(tmp_path: Path) -> None:
    made(tmp_path, problem="helmholtz")
    data = read_grid_data(tmp_path)
    assert data.constants == ("mask", "omega")
    assert data.parameters == ("omega",)
    assert data.trajectories is not None
    omega = data.trajectories.constants[:, 1]
    assert torch.equal(omega, omega[:, :1, :1].expand_as(omega))


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "acoustics_train_16.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"acoustics_train_16\.pt cannot be read"):
        read_grid_data(tmp_path)


def test_training_trajectories_of_another_length_are_refused(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "acoustics_train_16.pt"
    held = torch.load(path, weights_only=True)
    torch.save({key: value[:-1] for key, value in held.items()}, path)
    with pytest.raises(DataError, match="17 samples, no whole number of trajectories of 3"):
        read_grid_data(tmp_path)
