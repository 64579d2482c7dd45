"""Fixtures and rules that all tests share."""

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
