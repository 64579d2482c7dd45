"""What the doctests need: names, and no module that cannot be imported here."""

from importlib.util import find_spec

import pytest
import torch

# without Triton the module of the GPU kernels cannot be imported, and has no doctest to lose
collect_ignore = [] if find_spec("triton") else ["wavelit_plugin/wavelets/haar_triton.py"]


@pytest.fixture(scope="session", autouse=True)
def _doctest_names(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["torch"] = torch
