"""Installed from a wheel or in editable form, into a new environment, the way in works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# PyTorch's autoload in a process that imports only the host
REGISTERS = """
import json, neuralop, sys
models = list(sys.modules["neuralop.models.base_model"].BaseModel._models)
import importlib.metadata, wavelit_plugin
paths = [__import__(name, fromlist=["_"]).__file__ for name in sorted(sys.modules)
         if name.startswith("wavelit_plugin")]
entries = [entry.value for entry in importlib.metadata.entry_points(group="torch.backends")
           if entry.name == "wavelit"]
print(json.dumps([models, paths, entries]))
"""

pytestmark = [pytest.mark.slow, pytest.mark.host]


def run(command: Sequence[str | Path], folder: Path) -> str:
    """Run a command that must succeed, in ``folder``; return what it prints."""
    hidden = ("WAVELIT_", "TORCH_", "PYTHONPATH")
    kept = {key: text for key, text in os.environ.items() if not key.startswith(hidden)}
    done = subprocess.run(
        [*map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        env={**kept, "OMP_NUM_THREADS": "1"},
        cwd=folder,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path) -> Path:
    """Make an environment that finds this one's packages after its own; return its ``bin``.

    A line of a .pth file is a path only: what this environment itself has in editable form, this
    package included, is not found.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "lib" / version / "site-packages"
    (site / "zz_base.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def pip(*arguments: str | Path, needs: str, folder: Path) -> None:
    """Run pip without dependencies; without a network too, if what the build needs is here."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    isolation = ["--no-build-isolation"] if find_spec(needs) else []
    run([*command, "--no-deps", *isolation], folder)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the repository."""
    pip("wheel", "--wheel-dir", folder, REPOSITORY, needs="hatchling", folder=folder)
    (wheel,) = folder.glob("wavelit_plugin-*.whl")
    return wheel


def install(target: Sequence[str | Path], *, needs: str, folder: Path) -> Path:
    """Install into a new environment; return its ``bin``."""
    programs = environment(folder / "environment")
    # pip would else find this environment's installation through the .pth file, and remove it
    pip(
        "--python",
        programs / "python",
        "install",
        "--ignore-installed",
        *target,
        needs=needs,
        folder=folder,
    )
    return programs


def check_works(programs: Path, where: Path, folder: Path) -> None:
    """Check registration, files and command from a folder that holds nothing."""
    empty = folder / "empty"
    empty.mkdir()
    printed = run([programs / "python", "-W", "error::ImportWarning", "-c", REGISTERS], empty)
    models, paths, entries = json.loads(printed)
    assert {"wavelit", "wavelit-1m", "wavelit-4m", "wavelit-10m", "fno"} <= set(models)
    assert [path for path in paths if not Path(path).is_relative_to(where)] == []
    assert str(where / "hosts" / "neuraloperator" / "model.py") in paths
    assert entries == ["wavelit_plugin:watch_hosts"]
    snippets = run([programs / "wavelit", "config", "neuraloperator"], empty)
    assert "waveliT" in snippets
    assert list(empty.iterdir()) == []


def test_a_wheel_holds_all_that_it_needs_and_registers(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
    names = ZipFile(wheel).namelist()
    files = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "wavelit_plugin").glob("hosts/*/configs/**/*.*")
        if path.suffix != ".pyc"
    }
    assert {Path(name).suffix for name in files} == {".py", ".sh", ".yaml"}
    assert files <= set(names)
    assert "wavelit_plugin/py.typed" in names
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"wavelit_plugin", "hydra_plugins"}
    programs = install([wheel], needs="hatchling", folder=tmp_path)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    installed = tmp_path / "environment" / "lib" / version / "site-packages" / "wavelit_plugin"
    check_works(programs, installed, tmp_path)


def test_an_editable_installation_registers_from_the_checkout(tmp_path: Path) -> None:
    programs = install(["--editable", REPOSITORY], needs="editables", folder=tmp_path)
    check_works(programs, REPOSITORY / "wavelit_plugin", tmp_path)
