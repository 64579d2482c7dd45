"""What every network gets: problems, training, metric, and the file of finished runs.

By the defaults of APEBench's scenarios (Koehler et al. 2024, arXiv 2411.00180): 50 trajectories of
51 frames, batches of 20 pairs, 10,000 updates of Adam; 30 test trajectories of 201 frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from benchmarks.lines import append_line, read_lines
from wavelit_plugin.files import finite

Record = dict[str, Any]
Array = npt.NDArray[np.float32]

UPDATES, WARMUP, RATE, BATCH = 10_000, 2_000, 1e-3, 20
WAVELIT = "waveliT"
RIVALS = (
    "Conv;34;10;relu",
    "Res;26;8;relu",
    "UNet;12;2;relu",
    "Dil;2;32;2;relu",
    "FNO;12;18;4;gelu",
)
"""Its networks of about 30,000 parameters in 1-D, as APEBench writes them."""

PROBLEMS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "dispersion": ("Dispersion", {}),
    "burgers": ("Burgers", {}),
    "korteweg-de-vries": ("KortewegDeVries", {}),
    "kuramoto-sivashinsky-conservative": ("KuramotoSivashinskyConservative", {}),
    "kuramoto-sivashinsky": ("KuramotoSivashinsky", {}),
    "kuramoto-sivashinsky-2d": ("KuramotoSivashinsky", {"num_spatial_dims": 2, "num_points": 32}),
}
"""Scenarios of APEBench's difficulty family, and what differs from their defaults."""


@dataclass(frozen=True)
class Run:
    """One training; ``config`` is what a network is built from beyond its name."""

    problem: str
    network: str
    seed: int
    config: Mapping[str, Any] = field(default_factory=dict)

    def made(self, record: Record) -> bool:
        """Return whether a record is of this run."""
        mine = (self.problem, self.network, self.seed, dict(self.config))
        return mine == tuple(record.get(key) for key in ("problem", "network", "seed", "config"))

    def record(self, errors: Sequence[float], **facts: Any) -> Record:
        """Return what is kept of the run: what it was, facts, and the error of each step."""
        return {
            "problem": self.problem,
            "network": self.network,
            "seed": self.seed,
            "config": dict(self.config),
            **facts,
            "geometric_mean_nrmse_steps_1_100": finite(geometric_mean(errors[:100])),
            "nrmse_by_step": [finite(error) for error in errors],
        }


def rate_at(update: int, updates: int = UPDATES, warmup: int = WARMUP) -> float:
    """Return the learning rate of an update: up to RATE on a line, then down on a cosine."""
    if update < warmup:
        return RATE * update / warmup
    return RATE * (1 + math.cos(math.pi * (update - warmup) / (updates - warmup))) / 2


def mean_nrmse(predicted: Array, truth: Array) -> list[float]:
    """Return APEBench's ``mean_nRMSE`` of every step of (trajectory, step, channel, *space).

    The root mean square of the error over that of the truth, summed over channels, averaged over
    trajectories.
    """
    space = tuple(range(3, truth.ndim))
    error, size = (np.sqrt(np.square(u).mean(space)) for u in (predicted - truth, truth))
    by_step: list[float] = (error / size).sum(axis=2).mean(axis=0).tolist()
    return by_step


def geometric_mean(errors: Sequence[float]) -> float:
    """Return the geometric mean; infinite where an error is no number."""
    logs = [math.log(error) if math.isfinite(error) else math.inf for error in errors]
    return math.exp(sum(logs) / len(logs))


def missing(runs: Iterable[Run], path: Path, locks: Path) -> Iterator[Run]:
    """Yield each run that has no record, while no other worker has it; the caller saves it."""
    locks.mkdir(parents=True, exist_ok=True)
    for run in runs:
        name = f"{run.problem}-{run.network}-{run.seed}.lock"
        try:
            # given back by the system if the worker is killed
            with FileLock(locks / name, timeout=0):
                if not any(run.made(record) for record in read_lines(path)):
                    yield run
        except Timeout:
            continue


def save(record: Record, path: Path, locks: Path) -> None:
    """Append the record of a finished run, whatever other workers do."""
    with FileLock(locks / "records.lock"):
        append_line(path, record)
