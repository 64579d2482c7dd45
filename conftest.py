"""Names that the doctests use without importing them."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["torch"] = torch
