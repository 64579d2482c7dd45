"""Simulate numbered trajectories of a problem, in chunks, with checked results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from wavelit_plugin.data.problems import check_setup, find_problem
from wavelit_plugin.errors import ConfigError, DataError, unknown_name
from wavelit_plugin.plugins.datasets import Problem, Setup, Trajectories, check_at_least

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what is being done)."""

SPLITS = ("train", "test", "valid")
"""Their order is part of every seed: a new one goes to the end."""

CELLS_PER_CHUNK = 2**17
"""Fine cells in one chunk on the CPU: its dozen arrays then stay in the processor's cache."""

CUDA_FACTOR = 64
"""A GPU needs more cells at once to be busy."""


def trajectory_seed(seed: int, split: str, index: int) -> int:
    """Return the seed of one trajectory; it depends on nothing but the arguments."""
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    words = np.random.SeedSequence([seed, SPLITS.index(split), index]).generate_state(1, np.uint64)
    return int(words[0]) >> 1  # torch takes 63 bits


def chunk_ranges(total: int, setup: Setup, *, ndim: int) -> list[range]:
    """Cut trajectories 0..total-1 into chunks; the cut depends on the setup's sizes only."""
    cells = (setup.size * setup.oversample) ** ndim
    room = CELLS_PER_CHUNK * (CUDA_FACTOR if setup.device.startswith("cuda") else 1)
    step = max(1, room // cells)
    return [range(start, min(start + step, total)) for start in range(0, total, step)]


def simulate_chunk(
    problem: Problem, setup: Setup, *, seed: int, split: str, indices: range
) -> Trajectories:
    """Simulate the trajectories of these numbers.

    Raises:
        DataError: the solver produced NaN or Inf.
    """
    seeds = [trajectory_seed(seed, split, index) for index in indices]
    with _one_thread(setup.device):
        result = problem.simulate(setup, seeds)
    finite = torch.isfinite(result.fields).flatten(1).all(dim=1).tolist()
    broken = [index for index, fine in zip(indices, finite, strict=True) if not fine]
    if broken:
        raise DataError(
            f"{problem.name} gave NaN or Inf in {split} trajectories {broken} of seed {seed}; "
            f"use another seed, medium or dtype float64"
        )
    return result


@contextmanager
def _one_thread(device: str) -> Iterator[None]:
    """Run on one CPU thread: a step is too short to share, and waiting for a busy core costs 100x.

    Measured on 2 cores at 128^2 cells: 0.1 ms a step and trajectory alone, 6-12 ms with both
    threads while another process ran.
    """
    threads = torch.get_num_threads()
    if device.startswith("cpu"):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def simulate_dataset(
    problem: str = "acoustics",
    *,
    size: int = 64,
    trajectories: int = 48,
    frames: int | None = None,
    interval: float | None = None,
    boundary: str | None = None,
    medium: str | None = None,
    seed: int = 1,
    split: str = "train",
    oversample: int = 2,
    device: str = "cpu",
    dtype: str = "float32",
    progress: Progress | None = None,
) -> Trajectories:
    """Return (fields, constants, parameters) in memory, on the CPU.

    What is None is the problem's default. Trajectory i is the one that ``make_dataset`` writes for
    the same seed and split.

    Returns:
        fields (trajectory, frame, field, *space), constants (trajectory, constant, *space) and
        parameters (trajectory, parameter).

    Raises:
        ConfigError: a name or a value cannot be used.
        DataError: the solver produced NaN or Inf.
    """
    record = find_problem(problem)
    setup = problem_setup(
        record,
        size=size,
        frames=frames,
        interval=interval,
        boundary=boundary,
        medium=medium,
        oversample=oversample,
        device=device,
        dtype=dtype,
    )
    check_at_least("trajectories", trajectories, 1)
    check_seed(seed)
    chunks = []
    for indices in chunk_ranges(trajectories, setup, ndim=record.ndim):
        chunk = simulate_chunk(record, setup, seed=seed, split=split, indices=indices)
        chunks.append(Trajectories(*(part.cpu() for part in chunk)))
        if progress is not None:
            progress(indices.stop, trajectories, "simulating")
    return Trajectories(*(torch.cat(parts) for parts in zip(*chunks, strict=True)))


def problem_setup(
    problem: Problem,
    *,
    size: int,
    frames: int | None,
    interval: float | None,
    boundary: str | None,
    medium: str | None,
    oversample: int,
    device: str,
    dtype: str,
) -> Setup:
    """Return the checked setup of a problem; what is None is the problem's default."""
    setup = Setup(
        size=size,
        frames=problem.frames if frames is None else frames,
        interval=problem.interval if interval is None else interval,
        boundary=problem.boundaries[0] if boundary is None else boundary,
        medium=problem.media[0] if medium is None else medium,
        oversample=oversample,
        device=device,
        dtype=dtype,
    )
    check_setup(problem, setup)
    return setup


def check_seed(seed: int) -> None:
    """Raise ConfigError unless ``seed`` is an integer from 0 to 2^63 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be an integer from 0 to 2^63 - 1, got {seed!r}")
