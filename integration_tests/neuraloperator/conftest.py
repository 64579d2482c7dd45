"""neuraloperator's package, its checkout and small data in its format."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.conftest import checkout, require_package

HOST = "neuraloperator"


@pytest.fixture(autouse=True)
def _package() -> None:
    require_package(HOST, "neuralop")


@pytest.fixture
def scripts() -> Path:
    """The folder of the repository's own training scripts."""
    return checkout(HOST, "scripts/train_darcy.py") / "scripts"


def make_data(folder: Path, **request: object) -> Path:
    """Write real data in the host's format, of acoustics where no other problem is named."""
    from wavelit_plugin.data import DataRequest, make_dataset

    sizes = {"trajectories": 4, "test_trajectories": 2, "frames": 5, "seed": 1}
    make_dataset(DataRequest(host=HOST, out=folder, **{**sizes, **request}))  # type: ignore[arg-type]
    return folder


@pytest.fixture(scope="session")
def darcy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Darcy flow as the stock script reads it, 16x16."""
    return make_data(
        tmp_path_factory.mktemp("darcy") / "data",
        problem="darcy",
        layout="darcy",
        size=16,
        trajectories=16,
        test_trajectories=8,
        frames=None,
    )


@pytest.fixture(scope="session")
def forcing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the stock Navier-Stokes script reads, 128x128."""
    return make_data(
        tmp_path_factory.mktemp("forcing") / "data", size=128, layout="nsforcing", trajectories=2
    )


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All fields and constants, 32x32."""
    return make_data(tmp_path_factory.mktemp("pairs") / "data", size=32)
