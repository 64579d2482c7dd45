"""Pairs that are read from The Well's files one by one are those of the house's reader."""

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.compare.transfer import streamed
from wavelit_plugin.compare.transfer.datasets import read_datasets
from wavelit_plugin.compare.transfer.streamed import StreamedPairs, sample_of
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.errors import ConfigError, DataError

h5py = pytest.importorskip("h5py")

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Acoustics with constants, flow with a varying number: 3 training trajectories each."""
    folder = tmp_path_factory.mktemp("well")
    for problem in ("acoustics", "buoyant-flow"):
        make_dataset(
            DataRequest(
                problem=problem,
                host="the_well",
                medium="maze" if problem == "acoustics" else None,
                out=folder,
                size=16,
                trajectories=3,
                test_trajectories=2,
                frames=4,
                oversample=1,
            )
        )
    return folder


@pytest.fixture(params=["acoustic_scattering_maze", "rayleigh_benard"])
def place(request: pytest.FixtureRequest, well: Path) -> Path:
    return well / str(request.param)


def test_pairs_are_those_of_the_reader_in_its_order(place: Path) -> None:
    whole, stream = read_grid_data(place), StreamedPairs(place, "train")
    assert len(stream) == len(whole.train.x) == 9
    index = torch.tensor([4, 0, 8, 4, 2])
    for found, expected in zip(stream.read(index, stream.varying), whole.train, strict=True):
        assert_close(found, expected[index], rtol=0.0, atol=0.0)


def test_several_files_are_one_row_of_pairs(place: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = tmp_path / "twice" / "data" / split
        folder.mkdir(parents=True)
        (source,) = (place / "data" / split).iterdir()
        for name in ("a.hdf5", "b.hdf5"):
            (folder / name).write_bytes(source.read_bytes())
    stream, whole = StreamedPairs(tmp_path / "twice", "train"), read_grid_data(place)
    assert len(stream) == 18
    found = stream.read(torch.tensor([9, 17]), stream.varying)
    assert_close(found.x, whole.train.x[[0, 8]], rtol=0.0, atol=0.0)


def test_the_sample_has_the_names_and_the_test_trajectories_of_the_reader(place: Path) -> None:
    whole, sample = read_grid_data(place), sample_of(place, StreamedPairs(place, "train"))
    for name in ("name", "fields", "constants", "parameters", "boundary", "continues", "size"):
        assert getattr(sample, name) == getattr(whole, name), name
    for split in ("train", "test"):
        for found, expected in zip(getattr(sample, split), getattr(whole, split), strict=True):
            assert_close(ordered(found), ordered(expected), rtol=0.0, atol=0.0)
    assert sample.trajectories is not None
    assert whole.trajectories is not None
    for found, expected in zip(sample.trajectories, whole.trajectories, strict=True):
        assert_close(found, expected, rtol=0.0, atol=0.0)


def ordered(u: Tensor) -> Tensor:
    """Samples in an order of their own: the sample of the training pairs is drawn."""
    return u[u.flatten(1).double().sum(1).argsort()]


def test_of_many_trajectories_a_few_are_tested_and_of_them_the_first_frames(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "TESTED", 2)
    monkeypatch.setattr(streamed, "FRAMES", 3)
    monkeypatch.setattr(streamed, "SAMPLES", 5)
    sample = sample_of(place, StreamedPairs(place, "train"))
    assert len(sample.train.x) == 5
    assert sample.trajectories is not None
    assert sample.trajectories.fields.shape[:2] == (2, 3)
    assert [window.trajectory for _, window in StreamedPairs(place, "train").tested()] == [0, 2]


def test_a_streamed_data_set_trains_as_one_in_memory(well: Path) -> None:
    for whole, stream in zip(
        read_datasets([well], "cpu"), read_datasets([well], "cpu", stream=True), strict=True
    ):
        assert (stream.name, stream.count, stream.target) == (
            whole.name, whole.count, whole.target,
        )  # fmt: skip
        # sums in another order, in float64
        assert_close(stream.units.y_std, whole.units.y_std)
        index = torch.tensor([3, 1])
        for found, expected in zip(stream.batch(index), whole.batch(index), strict=True):
            assert_close(found, expected, rtol=0.0, atol=0.0)


def broken(place: Path, folder: Path, damage: Callable[["h5py.File"], None]) -> Path:
    """A copy of a data set with a damaged training file."""
    for split in ("train", "test"):
        target = folder / place.name / "data" / split
        target.mkdir(parents=True)
        (source,) = (place / "data" / split).iterdir()
        (target / source.name).write_bytes(source.read_bytes())
    (path,) = (folder / place.name / "data" / "train").iterdir()
    with h5py.File(path, "r+") as file:
        damage(file)
    return folder / place.name


def test_nan_is_named_with_its_place(place: Path, tmp_path: Path) -> None:
    def damage(file: "h5py.File") -> None:
        file["t1_fields/velocity"][1, 2, 3, 3, 0] = float("nan")

    stream = StreamedPairs(broken(place, tmp_path, damage), "train")
    stream.read(torch.tensor([0, 3, 8]), stream.varying)
    for number in (4, 5):  # frames 1-2 and 2-3 of trajectory 1
        with pytest.raises(DataError, match=r"train.*NaN.*velocity_x in trajectory 1 from frame"):
            stream.read(torch.tensor([number]), stream.varying)


def test_what_breaks_the_specification_is_named(place: Path, tmp_path: Path) -> None:
    def forget(file: "h5py.File") -> None:
        del file.attrs["n_trajectories"]

    with pytest.raises(DataError, match="lacks n_trajectories"):
        StreamedPairs(broken(place, tmp_path / "a", forget), "train")

    def drop(file: "h5py.File") -> None:
        del file["boundary_conditions"]

    with pytest.raises(DataError, match="lacks /boundary_conditions"):
        StreamedPairs(broken(place, tmp_path / "b", drop), "train").varying  # noqa: B018
    with pytest.raises(DataError, match="holds no pair of frames"):
        StreamedPairs(tmp_path, "train")


def test_other_formats_are_not_streamed(tmp_path: Path) -> None:
    made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_datasets.py"))))
    torch.save({"x": made.made_up().train.x}, tmp_path / "a_train_8.pt")
    torch.save({}, tmp_path / "a_test_8.pt")
    with pytest.raises(ConfigError, match="no data set of The Well's format"):
        read_datasets([tmp_path], "cpu", stream=True)
