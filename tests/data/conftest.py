"""Fixtures for data sets: folders that every host can read, and problems of every shape."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from wavelit_plugin.data import (
    PROBLEMS,
    DataRequest,
    Problem,
    Setup,
    Trajectories,
    problems,
    simulate_dataset,
    simulation,
)


@pytest.fixture
def out() -> Iterator[Path]:
    """A folder whose path has nothing in it that PDEArena's pipes look for: a split, or "h5".

    ``tmp_path`` has ("pytest"), and the letters of ``mkdtemp`` are drawn at random.
    """
    above = Path(tempfile.gettempdir())
    if any(word in str(above) for word in ("train", "valid", "test", "h5")):
        pytest.skip(f"the folder for temporary files, {above}, has a split's name in it")
    folder = above / f"wavelit-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trajectories of 16^2 cells a chunk."""
    monkeypatch.setattr(simulation, "CELLS_PER_CHUNK", 2 * 16**2)


@pytest.fixture
def simulated() -> Callable[[DataRequest, str], Trajectories]:
    """What the files of a request, of one of its splits, have to hold."""

    def simulate(asked: DataRequest, split: str) -> Trajectories:
        return simulate_dataset(
            asked.problem,
            size=asked.size,
            trajectories=asked.count(split),
            frames=asked.frames,
            boundary=asked.boundary,
            medium=asked.medium,
            seed=asked.seed,
            split=split,
            oversample=asked.oversample,
        )

    return simulate


def noise(setup: Setup, seeds: Sequence[int], problem: Problem) -> Trajectories:
    """Uncorrelated numbers in every field, constant and parameter, another per trajectory."""
    space = (setup.size,) * problem.ndim
    parts = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        parts.append(
            [
                torch.randn(setup.frames, len(problem.fields), *space, generator=generator),
                torch.randn(len(problem.constants), *space, generator=generator),
                torch.rand(len(problem.parameters), generator=generator),
            ]
        )
    return Trajectories(*(torch.stack(part) for part in zip(*parts, strict=True)))


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> dict[str, Problem]:
    """Problems of every shape that a layout holds, filled with noise."""
    base = PROBLEMS["kolmogorov"]
    waves = ("pressure", "velocity_x", "velocity_y")
    electric, magnetic = ("d_x", "d_y", "d_z"), ("h_x", "h_y", "h_z")
    made = [
        replace(base, name="water", fields=waves),
        replace(
            base, name="chaos", fields=("u",), vectors=(), ndim=1, parameters=("dt", "dx", "v")
        ),
        replace(
            base, name="light", fields=electric + magnetic, vectors=(electric, magnetic), ndim=3
        ),
        replace(base, name="bare", fields=("u",), vectors=(), ndim=1),
        replace(base, name="constrained", fields=waves),
    ]
    filled = {
        problem.name: replace(problem, simulate=partial(noise, problem=problem)) for problem in made
    }
    monkeypatch.setattr(problems, "PROBLEMS", MappingProxyType({**PROBLEMS, **filled}))
    return filled
