"""The command as a user starts it: a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def wavelit(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``wavelit ARGUMENTS`` in an empty folder, with these environment variables added."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wavelit_plugin.cli", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
