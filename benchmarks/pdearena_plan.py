"""What the comparison in PDEArena consists of: tasks, runs, and the order of the runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

Record = dict[str, Any]

PERSISTENCE = "persistence"
LARGE = 50_000_000
CONVOLUTIONAL = (2.5e-4, 1e-3, 4e-3)
RATES: Mapping[str, tuple[float, ...]] = {
    "waveliT": (3e-3, 6e-3, 1.2e-2),
    "FNO-128-16m": (5e-4, 2e-3, 8e-3),
    PERSISTENCE: (0.0,),
}
"""Learning rates to try, CONVOLUTIONAL for those not named."""


def rates_of(operator: str) -> tuple[float, ...]:
    """Return the rates to try; the presets of waveliT share theirs."""
    family = "waveliT" if operator.startswith("waveliT") else operator
    return RATES.get(family, CONVOLUTIONAL)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the host's own configuration says of a task."""

    history: int = 1
    conditioned: bool = False

    @property
    def one_step_loader(self) -> int:
        """Index of the test loader of single steps."""
        return 1 if self.conditioned else 0

    @property
    def metrics(self) -> dict[str, str]:
        """Names that the host logs: validation to choose by, one-step loss, roll-out."""
        if self.conditioned:
            return {
                "chosen_by": "valid/loss/dataloader_idx_0",
                "one_step_mse": "test/loss/dataloader_idx_1",
                "unrolled_loss_mean": "test/unrolled_loss/dataloader_idx_0",
            }
        return {
            "chosen_by": "valid/unrolled_loss_mean",
            "one_step_mse": "test/mse_loss_mean",
            "unrolled_loss_mean": "test/unrolled_loss_mean",
        }


TASKS: Mapping[str, Task] = {
    "NavierStokes2D": Task(history=4),
    "ShallowWater2DVel-2Day": Task(history=2),
    "Cond-NavierStokes2D": Task(conditioned=True),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its evaluation.

    Args:
        data: folder that ``wavelit data make --host pdearena`` wrote.
        task: a key of TASKS.
        operator: name in the host's registry, or "persistence", which repeats the last frame.
        criterion: of training; the host's name or one of ours.
        rate: largest learning rate.
        seed: of the initial weights and of the order of the batches.
        steps: optimizer steps; a tenth of them warm up, the rest follows a cosine.
        batch_size: of training and of evaluation.
        rollout: steps of a roll-out.
        valid: validation trajectories, 0 for no validation.
        test: test trajectories.
        device: "cpu" or "cuda".
    """

    data: str
    task: str
    operator: str
    criterion: str
    rate: float
    seed: int
    steps: int
    batch_size: int
    rollout: int
    valid: int
    test: int
    device: str

    @property
    def name(self) -> str:
        """The operator, and the criterion unless it is the host's own."""
        ours = "wavelet" in self.criterion
        return f"{self.operator}, {self.criterion}" if ours else self.operator


@dataclass(frozen=True, kw_only=True)
class Rival:
    """What an operator does in common, and the rates to try, the middle one first."""

    first: Run
    rates: tuple[float, ...]

    def runs(self, done: Sequence[Record]) -> list[Record]:
        """Return the runs of it that are done."""
        names = (self.first.operator, self.first.criterion)
        return [r for r in done if (r["run"]["operator"], r["run"]["criterion"]) == names]

    def search(self) -> list[Run]:
        """Return the runs of the first seed."""
        return [replace(self.first, rate=rate) for rate in self.rates]

    def tried(self, done: Sequence[Record]) -> dict[float, float]:
        """Return by rate what it is chosen by, infinite where the training diverged."""
        firsts = [run for run in self.runs(done) if run["run"]["seed"] == 0]
        return {
            run["run"]["rate"]: or_infinite(run["chosen_by"]) for run in sorted(firsts, key=_rate)
        }

    def best_rate(self, done: Sequence[Record]) -> float:
        """Return the rate that was best on validation data."""
        tried = self.tried(done)
        return min(tried, key=tried.__getitem__)

    def seeds(self, wanted: int, done: Sequence[Record]) -> range:
        """Return the seeds: one for what does not train, and for operators that are large."""
        runs = self.runs(done)
        large = bool(runs) and runs[0]["parameters_count"] > LARGE
        return range(1 if large or self.first.operator == PERSISTENCE else wanted)

    def repeats(self, wanted: int, done: Sequence[Record]) -> list[Run]:
        """Return the runs of the later seeds at the best rate."""
        if not self.tried(done):
            return []
        best = replace(self.first, rate=self.best_rate(done), valid=0)
        return [replace(best, seed=seed) for seed in self.seeds(wanted, done)[1:]]


def stages(rivals: Sequence[Rival], seeds: int, done: Sequence[Record]) -> Iterator[list[Run]]:
    """Yield the runs in turns of one for each operator: rate by rate, then seed by seed."""
    for position in range(max(len(rival.rates) for rival in rivals)):
        yield [run for rival in rivals for run in rival.search()[position : position + 1]]
    for position in range(seeds - 1):
        yield [run for r in rivals for run in r.repeats(seeds, done)[position : position + 1]]


def seconds_left(rivals: Sequence[Rival], seeds: int, done: Sequence[Record]) -> float:
    """Return an estimate from the runs that are done."""
    if not done:
        return math.nan
    overall = statistics.fmean(run["run_seconds"] for run in done)
    total = 0.0
    for rival in rivals:
        own = [run["run_seconds"] for run in rival.runs(done)]
        missing = len(rival.rates) + len(rival.seeds(seeds, done)) - 1 - len(own)
        total += max(0, missing) * (statistics.fmean(own) if own else overall)
    return total


def or_infinite(value: float | None) -> float:
    """Return the value, infinity where it was not finite."""
    return math.inf if value is None else value


def _rate(record: Record) -> float:
    return float(record["run"]["rate"])
