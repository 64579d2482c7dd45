"""Fixtures and rules that all tests share."""

from pathlib import Path

import hypothesis
import pytest
import torch

# repeatable: the same examples in every run, and no time limit on a loaded machine
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of its own for each test, always with the same seed."""
    return torch.Generator().manual_seed(20260525)


@pytest.fixture
def without_shape_check(request: pytest.FixtureRequest) -> None:
    """For tests that the run-time shape check forestalls: it answers before our own errors do,
    and torch.compile cannot trace it."""
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("the run-time shape check is on")


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with five training trajectories and two for the test, 16x16, six frames."""
    # not above: the run-time shape check has to see our modules before they are imported
    from wavelit_plugin.data import DataRequest, make_dataset

    folder = tmp_path_factory.mktemp("waves")
    make_dataset(
        DataRequest(
            out=folder, size=16, trajectories=5, test_trajectories=2, frames=6, oversample=1
        )
    )
    return folder
