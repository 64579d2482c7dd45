"""Fixtures for data sets: folders that every host can read, and problems of every shape."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from wavelit_plugin.data import PROBLEMS, Problem, Setup, Trajectories, problems


@pytest.fixture
def out() -> Iterator[Path]:
    """A folder whose path has no split's name in it; that of ``tmp_path`` has ("pytest")."""
    folder = Path(tempfile.mkdtemp(prefix="wavelit-"))
    if any(word in str(folder) for word in ("train", "valid", "test")):
        pytest.skip(f"the folder for temporary files, {folder}, has a split's name in it")
    yield folder / "data"
    shutil.rmtree(folder)


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
