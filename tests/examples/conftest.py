"""The example packages, installed from wheels as pip would, and processes that see them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run ``python ARGUMENTS`` in a new process with a path; a code other than 0 is an error."""

    def _run(
        *arguments: str | Path, path: tuple[Path, ...] = (), cwd: Path, **switches: str
    ) -> subprocess.CompletedProcess[str]:
        hidden = ("WAVELIT_", "TORCH_")
        kept = {key: text for key, text in os.environ.items() if not key.startswith(hidden)}
        parts = [*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            env={**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(parts), **switches},
            cwd=cwd,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return _run


@pytest.fixture(scope="session")
def installed(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both example packages, installed from wheels with what is here."""
    folder = tmp_path_factory.mktemp("example")
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    # without a network, unless the build backend has to be fetched
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    sources = [EXAMPLES / "hello_trainer", EXAMPLES / "wavelit_hello_trainer"]
    wheels = folder / "wheels"
    built = (*pip, "wheel", "--no-deps", *isolation, "--wheel-dir", wheels, *sources)
    run(*built, cwd=folder)
    target = folder / "site"
    run(*pip, "install", "--no-deps", "--target", target, *wheels.glob("*.whl"), cwd=folder)
    return target
