"""What all hosts' tests share: is the host here, where is its checkout, run a script in peace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


def is_required(host: str) -> bool:
    """Whether the host was asked for by name, so that its absence is a failure."""
    return host in os.environ.get("WAVELIT_REQUIRED_HOSTS", "").split(",")


def absent(host: str, reason: str) -> None:
    """Fail if the host was asked for by name, skip otherwise."""
    if is_required(host):
        pytest.fail(f"{host} was asked for by name, but {reason}", pytrace=False)
    pytest.skip(reason)


def require_package(host: str, module: str) -> None:
    """Fail or skip unless the host's package is installed."""
    if find_spec(module) is None:
        absent(host, f"{module} is not installed; pip install 'wavelit-plugin[{host}]'")


def checkout(host: str, marker: str) -> Path:
    """Return the host's checkout in the folder that WAVELIT_CHECKOUTS names; fail or skip."""
    default = Path.home() / ".cache" / "wavelit-checkouts"
    folder = Path(os.environ.get("WAVELIT_CHECKOUTS", default)) / host
    if not (folder / marker).is_file():
        absent(host, f"no checkout with {marker} in $WAVELIT_CHECKOUTS/{host}")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``python ARGS`` in a fresh process that has our autoload and one thread."""

    def _run(
        *args: str | Path,
        cwd: Path = tmp_path,
        environment: Mapping[str, str] | None = None,
        code: int = 0,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WAVELIT_", "TORCH_"))}
        given = dict(environment or {})
        # a package on this process' path, such as ours from a checkout, is that of the new one too
        paths = [each["PYTHONPATH"] for each in (given, clean) if each.get("PYTHONPATH")]
        done = subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=cwd,
            env={
                **clean,
                "OMP_NUM_THREADS": "1",
                "WANDB_MODE": "disabled",
                **given,
                "PYTHONPATH": os.pathsep.join(paths),
            },
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return _run
