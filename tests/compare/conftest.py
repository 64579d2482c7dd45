"""Tiny operators, and the command line with these operators in a process."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wavelit_plugin.compare import comparison, contestants
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.plugins.types import OperatorRecord

SCRIPT = Path(__file__).with_name("tiny_operators.py")


@pytest.fixture
def wave_data(waves: Path) -> GridData:
    return read_grid_data(waves)


@pytest.fixture
def tiny_operators(monkeypatch: pytest.MonkeyPatch) -> dict[str, OperatorRecord]:
    """The only operators that there are."""
    found: Any = runpy.run_path(str(SCRIPT))
    for module in (contestants, comparison):
        monkeypatch.setattr(module, "operators", found["known"])
    return {record.name: record for record in found["known"]()}


@pytest.fixture
def tiny_command() -> Callable[..., subprocess.Popen[str]]:
    """Start ``wavelit ARGUMENTS`` with the tiny operators.

    ``dies`` is the number of the run whose record is half written when the process kills itself.
    """

    def start(*arguments: str, dies: int = 0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), str(dies), *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
