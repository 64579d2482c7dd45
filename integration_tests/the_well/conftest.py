"""The Well's package, its checkout, its stock script as a process, and small data in its format."""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import Run, absent, checkout

HOST = "the_well"
PACKAGES = ("the_well", "h5py", "hydra", "matplotlib", "torchinfo", "tqdm", "wandb")
SMALL = ("model.width=8", "model.heads=1", "model.depth=1", "model.levels=1")

Train = Callable[..., subprocess.CompletedProcess[str]]
Data = Callable[[str], Path]

DATA: dict[str, dict[str, Any]] = {
    "acoustic_scattering_maze": {"problem": "acoustics", "medium": "maze"},
    "acoustic_scattering_inclusions": {"problem": "acoustics", "boundary": "periodic"},
    "acoustic_scattering_discontinuous": {
        "problem": "acoustics",
        "medium": "layers",
        "boundary": "wall",
    },
    "helmholtz_staircase": {"problem": "helmholtz"},
    "gray_scott_reaction_diffusion": {"problem": "gray-scott", "size": 32, "oversample": 4},
    "planetswe": {"problem": "shallow-water"},
    "rayleigh_benard": {"problem": "buoyant-flow"},
    "shear_flow": {"problem": "kolmogorov"},
    "maxwell": {"problem": "maxwell"},
    "kuramoto-sivashinsky": {"problem": "kuramoto-sivashinsky", "size": 64},
}
"""Data sets by the host's name for them, or by the problem's where that is "dummy"."""

COUNTS = {"train": 3, "valid": 2, "test": 2}
FRAMES = 6


def asked(name: str) -> dict[str, Any]:
    """Return everything that a data set is made with, but the folder."""
    counts = {"trajectories": COUNTS["train"], "test_trajectories": COUNTS["test"]}
    return {"size": 16, "oversample": 1, "frames": FRAMES, "seed": 1, **counts, **DATA[name]}


@pytest.fixture(autouse=True)
def _packages() -> None:
    for module in PACKAGES:
        if find_spec(module) is None:
            absent(HOST, f"{module} is not installed; pip install 'wavelit-plugin[the-well]'")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Make a data set, once; return the folder that holds its folder."""
    root = tmp_path_factory.mktemp("well")

    def _data(name: str) -> Path:
        from wavelit_plugin.data import DataRequest, make_dataset

        # the data sets that the host calls dummy need folders of their own
        folder = root / (name if "-" in name or name == "maxwell" else "all")
        make_dataset(DataRequest(host=HOST, out=folder, **asked(name)))
        return folder

    return _data


@pytest.fixture
def script() -> Path:
    """The stock training script of the checkout."""
    benchmark = "the_well/benchmark"
    return checkout(HOST, f"{benchmark}/train.py") / benchmark / "train.py"


@pytest.fixture
def check_of() -> Callable[[str], dict[str, Any]]:
    """Return the functions of a script of the checkout."""

    def _check_of(name: str) -> dict[str, Any]:
        return runpy.run_path(str(checkout(HOST, f"scripts/{name}.py") / "scripts" / f"{name}.py"))

    return _check_of


@pytest.fixture
def train(run: Run, script: Path, data: Data) -> Train:
    """Run the stock script on a data set, options after it; results in ``experiments``."""

    def _train(name: str, *options: str, **more: Any) -> subprocess.CompletedProcess[str]:
        path = data(name)
        # folders that the host knows have configurations of the same name
        known = (path / name).is_dir()
        chosen = name if known else "acoustic_scattering_maze"
        named = () if known else ("data.well_dataset_name=dummy",)
        here = (f"data.well_base_path={path}", "data.batch_size=3", "data_workers=0")
        output = ("hydra.run.dir=hydra", "server=local", "data.n_steps_input=2")
        return run(
            *more.pop("before", ()),
            script,
            *(f"data={chosen}", *named, *here, *output, *options),
            **more,
        )

    return _train


def losses(done: subprocess.CompletedProcess[str], kind: str) -> list[float]:
    """Return the numbers that the script logged as ``kind``, in order."""
    return [float(found) for found in re.findall(rf"{kind} ([-+.\de]+)", done.stdout + done.stderr)]


def experiment(folder: Path) -> Path:
    """Return the folder of the only run."""
    (found,) = folder.glob("experiments/*/0")
    return found
