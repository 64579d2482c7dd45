"""PDEArena's checkout, its stock scripts as processes, and small real data in its format."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import ROOT, Run, absent, checkout, require_package

HOST = "pdearena"
HELPERS = Path(__file__).parent / "helpers"
CONFIGS = ROOT / "wavelit_plugin" / "hosts" / "pdearena" / "configs"
PACKAGES = ("pytorch_lightning", "torchdata", "jsonargparse", "h5py", "xarray", "zarr", "diffusers")
BATCH = 4

Train = Callable[..., subprocess.CompletedProcess[str]]
Resume = Callable[..., dict[str, Any]]
Data = Callable[[str], Path]

DATA: dict[str, dict[str, Any]] = {
    "NavierStokes2D": {"problem": "kolmogorov", "size": 32, "trajectories": 4},
    "Cond-NavierStokes2D": {"problem": "buoyant-flow", "size": 32, "trajectories": 2},
    "ShallowWater2DVel-2Day": {
        "problem": "shallow-water",
        "size": 32,
        "trajectories": 4,
        "test_trajectories": 2,  # one a process
    },
    "KuramotoSivashinsky1D": {"problem": "kuramoto-sivashinsky", "size": 64, "trajectories": 4},
    "Maxwell3D": {"problem": "maxwell", "size": 16, "trajectories": 2},
    "too short": {"problem": "kolmogorov", "size": 16, "trajectories": 2, "frames": 3},
}
"""Data sets by the task that reads them; frames are the problems' own numbers."""


@dataclass(frozen=True, kw_only=True)
class Checkouts:
    """Where the host and what it builds on are."""

    pdearena: Path
    cliffordlayers: Path

    @property
    def scripts(self) -> Path:
        """The folder of the stock training scripts."""
        return self.pdearena / "scripts"

    def folder_of(self, script: str) -> Path:
        """Return where a stock script is, or the one that we ship for want of one."""
        return CONFIGS if script == "maxwell3d.py" else self.scripts

    @property
    def path(self) -> tuple[str, ...]:
        """What must be on the path of Python, with the helpers of these tests."""
        return tuple(map(str, (self.pdearena, self.cliffordlayers, HELPERS)))


@pytest.fixture(scope="session")
def checkouts() -> Checkouts:
    """PDEArena and cliffordlayers, whose release lacks what PDEArena imports."""
    for module in PACKAGES:
        require_package(HOST, module)
    host = checkout(HOST, "scripts/train.py")
    beside = host.parent / "cliffordlayers"
    if not (beside / "cliffordlayers" / "models" / "basic" / "threed.py").is_file():
        absent(HOST, "no checkout of cliffordlayers in $WAVELIT_CHECKOUTS/cliffordlayers")
    return Checkouts(pdearena=host, cliffordlayers=beside)


@pytest.fixture
def host_run(run: Run, checkouts: Checkouts) -> Run:
    """As ``run``, with the host importable."""

    def _run(
        *args: str | Path, environment: dict[str, str] | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        given = environment or {}
        path = os.pathsep.join([*filter(None, [given.get("PYTHONPATH")]), *checkouts.path])
        return run(*args, environment={**given, "PYTHONPATH": path}, **more)

    return _run


@pytest.fixture
def train(host_run: Run, checkouts: Checkouts, data: Data, tmp_path: Path) -> Train:
    """Run one of the stock scripts on a configuration, options after it; results in ``out``."""

    def _train(
        script: str, config: str, task: str, *options: str, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        path = checkouts.folder_of(script) / script
        given = arguments(CONFIGS / config, data(task), *options)
        return host_run(*more.pop("before", ()), path, *given, **more)

    return _train


@pytest.fixture
def resume(host_run: Run, checkouts: Checkouts, data: Data) -> Resume:
    """Go on from a checkpoint with a stock script's parts; return what helpers/resume.py says."""

    def _resume(
        script: str, config: str, task: str, *options: str, checkpoint: Path
    ) -> dict[str, Any]:
        done = host_run(
            HELPERS / "resume.py",
            *(script.removesuffix(".py"), checkpoint),
            *arguments(CONFIGS / config, data(task), *options),
            environment={"PYTHONPATH": str(checkouts.folder_of(script))},
        )
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    return _resume


def arguments(config: Path, data: Path, *options: str) -> tuple[str, ...]:
    """Return a script's arguments: a configuration on the CPU in this process, small batches."""
    cpu = ("--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false")
    here = ("--trainer.default_root_dir", "out", "--data.data_dir", str(data))
    small = ("--data.batch_size", str(BATCH), "--data.num_workers", "0")
    return ("-c", str(config), *cpu, *here, *small, "--trainer.log_every_n_steps", "1", *options)


@pytest.fixture(scope="session")
def data() -> Iterator[Data]:
    """Make the data of a task, once."""
    # the host takes every file whose path has "test" in it for test data: tmp_path has
    root = Path(tempfile.mkdtemp(prefix="wavelit-"))

    def _data(task: str) -> Path:
        from wavelit_plugin.data import DataRequest, make_dataset

        folder = root / task.replace(" ", "-").lower()
        sizes = {"oversample": 1, "test_trajectories": 1, **DATA[task]}
        make_dataset(DataRequest(host=HOST, out=folder, **sizes))
        return folder

    yield _data
    shutil.rmtree(root)


@pytest.fixture
def imported(checkouts: Checkouts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the host importable in this process; torch's autoload has registered with it then."""
    for folder in reversed(checkouts.path):
        monkeypatch.syspath_prepend(folder)
    import_module("pdearena.models.pdemodel")
    import_module("pdearena.models.cond_pdemodel")


def logged(out: Path, name: str) -> list[float]:
    """Return the values of a metric that a run logged, in order."""
    events = import_module("tensorboard.backend.event_processing.event_accumulator")
    values: list[float] = []
    for path in sorted(out.glob("lightning_logs/version_*/events.out.*")):
        held = events.EventAccumulator(str(path))
        held.Reload()
        if name in held.Tags()["scalars"]:
            values += [event.value for event in held.Scalars(name)]
    return values


def hyperparameters(out: Path) -> dict[str, Any]:
    """Return what the run's logger recorded."""
    import yaml

    (path,) = out.glob("lightning_logs/version_0/hparams.yaml")
    recorded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return recorded


def checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of a run, the last written first."""
    found = out.glob("lightning_logs/version_*/checkpoints/*.ckpt")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
