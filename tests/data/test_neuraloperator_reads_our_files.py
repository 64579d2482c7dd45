"""The real PTDataset and its descendants read what the writer writes."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.data import DataRequest, make_dataset

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def datasets() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the host's own imports
        return pytest.importorskip("neuralop.data.datasets")


@pytest.fixture(scope="module")
def pt_dataset(datasets: Any) -> Any:
    from neuralop.data.datasets.pt_dataset import PTDataset

    return PTDataset


def test_pt_dataset_reads_both_splits_and_normalises(tmp_path: Path, pt_dataset: Any) -> None:
    for size in (16, 32):
        make_dataset(DataRequest(out=tmp_path, size=size, trajectories=4, frames=4))
    dataset = pt_dataset(
        root_dir=tmp_path,
        dataset_name="acoustics",
        n_train=12,
        n_tests=[3, 3],
        batch_size=4,
        test_batch_sizes=[3, 3],
        train_resolution=16,
        test_resolutions=[16, 32],
        encode_input=True,
        encode_output=True,
        channels_squeezed=False,
    )
    assert len(dataset.train_db) == 12
    written = torch.load(tmp_path / "acoustics_train_16.pt", weights_only=True)
    for index in (0, 11):
        sample = dataset.train_db[index]
        assert torch.equal(sample["x"], written["x"][index])
        assert torch.equal(sample["y"], written["y"][index])
    for size in (16, 32):
        held = torch.load(tmp_path / f"acoustics_test_{size}.pt", weights_only=True)
        assert len(dataset.test_dbs[size]) == 3
        assert torch.equal(dataset.test_dbs[size][2]["x"], held["x"][2])

    processor = dataset.data_processor
    batch = {name: written[name].clone() for name in ("x", "y")}
    processor.train()
    encoded = processor.preprocess(batch)
    for name, channels in (("x", 5), ("y", 3)):
        assert encoded[name].shape[1] == channels
        assert bool(torch.isfinite(encoded[name]).all())
    # every field of the normalised output has mean 0 and std 1 over the training split
    assert_close(encoded["y"].mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0.0, atol=1e-4)
    assert_close(encoded["y"].std(dim=(0, 2, 3)), torch.ones(3), rtol=1e-3, atol=0.0)
    # the density of this family is 1 everywhere; its channel must not be blown up by std 0
    assert float(encoded["x"][:, 3].abs().max()) < 1e-3
    decoded = processor.out_normalizer.inverse_transform(encoded["y"])
    assert_close(decoded, written["y"], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(("layout", "size"), [("nsforcing", 128), ("darcy", 16)])
def test_stock_datasets_read_the_layout_of_their_name(
    tmp_path: Path, datasets: Any, layout: str, size: int
) -> None:
    make_dataset(
        DataRequest(out=tmp_path, layout=layout, size=size, trajectories=2, frames=3, oversample=1)
    )
    stock = {
        "nsforcing": datasets.navier_stokes.NavierStokesDataset,
        "darcy": datasets.darcy.DarcyDataset,
    }[layout]
    dataset = stock(
        root_dir=tmp_path,
        n_train=4,
        n_tests=[2],
        batch_size=2,
        test_batch_sizes=[2],
        train_resolution=size,
        test_resolutions=[size],
        encode_input=True,
        encode_output=True,
        download=False,
    )
    assert len(dataset.train_db) == 4
    assert dataset.train_db[0]["x"].shape == (1, size, size)
    # the second sample starts where the first one ends
    assert torch.equal(dataset.train_db[1]["x"], dataset.train_db[0]["y"])


def test_the_stock_data_set_of_darcy_flow_reads_ours(tmp_path: Path, datasets: Any) -> None:
    for size in (16, 32):
        make_dataset(
            DataRequest(
                out=tmp_path,
                problem="darcy",
                layout="darcy",
                size=size,
                trajectories=6,
                test_trajectories=3,
                oversample=1,
            )
        )
    dataset = datasets.darcy.DarcyDataset(
        root_dir=tmp_path,
        n_train=6,
        n_tests=[3, 3],
        batch_size=2,
        test_batch_sizes=[3, 3],
        train_resolution=16,
        test_resolutions=[16, 32],
        download=False,
    )
    held = torch.load(tmp_path / "darcy_train_16.pt", weights_only=True)
    assert len(dataset.train_db) == 6
    sample = dataset.train_db[5]
    assert torch.equal(sample["x"], held["x"][5][None])
    assert torch.equal(sample["y"], held["y"][5][None])
    # the test samples of both sizes are the same ones
    coarse, fine = (dataset.test_dbs[size][1]["y"].mean() for size in (16, 32))
    assert_close(coarse, fine, rtol=0.05, atol=0.0)
