"""The records of a comparison on disk: every finished run, and one row an operator.

A folder holds ``plan.json`` (what was asked), ``runs.jsonl`` (one finished run a line) and
``samples/`` (predicted fields of each run of seed 0). Errors that are not finite are None.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.notebook import read_lines, read_whole
from wavelit_plugin.compare.run_record import RunRecord, Spectrum
from wavelit_plugin.compare.student import student_t
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import content_errors

__all__ = [
    "FORMAT",
    "PLAN",
    "RUNS",
    "SAMPLES",
    "WINDOWS",
    "Comparison",
    "Estimate",
    "Row",
    "RunRecord",
    "Spectrum",
    "best_rate",
    "estimate",
    "load_comparison",
    "rows",
    "samples_path",
    "windows_of",
]

FORMAT = 1
PLAN, RUNS, SAMPLES = "plan.json", "runs.jsonl", "samples"

WINDOWS = ((1, 5), (6, 10), (1, 10), (11, 20))
"""Roll-out steps, first and last, that errors are averaged over where there are as many."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What ``plan.json`` and ``runs.jsonl`` of a folder hold.

    Attributes:
        plan: the content of ``plan.json``: command, data, budget, batch_size, seeds, match,
            predict, versions, hardware, operators (labels in order), settings (the key), ...
        runs: the finished runs of these settings, in the order in which they were done.
    """

    plan: Mapping[str, Any]
    runs: tuple[RunRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: the mean.
        half: half the width of its 95 % confidence interval (Student's t); None for one seed.
        values: what was averaged, by seed.
    """

    mean: float
    half: float | None
    values: tuple[float, ...]

    @property
    def low(self) -> float:
        """Lower end of the interval; the mean itself for one seed."""
        return self.mean - (self.half or 0.0)

    @property
    def high(self) -> float:
        """Upper end of the interval; the mean itself for one seed."""
        return self.mean + (self.half or 0.0)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One operator, at the learning rate that was best on validation data.

    An error is None where it was not finite for one of the seeds.

    Attributes:
        label: see RunRecord; so are operator, criterion, width, parameters, flops, peak_bytes.
        trained: whether there is anything to train step by step.
        learning_rate: the best; None where nothing is trained.
        rate_at_edge: whether it is the smallest or the largest of several that were tried.
        tried: (rate, validation error of seed 0), ascending.
        seeds: seeds at this rate.
        diverged: how many of them diverged.
        one_step: VRMSE.
        relative_l2: relative L2 error of one step.
        fields: one-step VRMSE a field.
        windows: by name, such as "1-5", the mean VRMSE of these roll-out steps.
        rollout: mean over the seeds of each step's VRMSE; None for static data.
        steps, training_seconds, step_seconds, inference_seconds: medians over the seeds.
        runs: the runs at this rate, by seed.
    """

    label: str
    operator: str
    criterion: str
    trained: bool
    width: int | None
    parameters: int
    learning_rate: float | None
    rate_at_edge: bool
    tried: tuple[tuple[float, float | None], ...]
    seeds: int
    diverged: int
    one_step: Estimate | None
    relative_l2: Estimate | None
    fields: Mapping[str, Estimate | None]
    windows: Mapping[str, Estimate | None]
    rollout: tuple[float | None, ...] | None
    steps: int
    training_seconds: float
    step_seconds: float | None
    inference_seconds: float
    peak_bytes: int | None
    flops: float | None
    runs: tuple[RunRecord, ...] = field(repr=False)


def load_comparison(folder: Path) -> Comparison:
    """Read a folder that ``wavelit compare`` wrote, finished or not.

    Raises:
        DataError: no comparison is there, it is of another format, or a file is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise DataError(f"{folder} holds no comparison ({PLAN}); give the --out of wavelit compare")
    plan = read_whole(path)
    if plan.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {plan.get('format')!r}, this version reads {FORMAT}; make the "
            "comparison again"
        )
    with content_errors(folder, "make the comparison again, in another folder"):
        runs = [RunRecord.from_plain(line) for line in read_lines(folder / RUNS)]
        settings = plan["settings"]
        return Comparison(plan=plan, runs=tuple(run for run in runs if run.settings == settings))


def samples_path(folder: Path, label: str, learning_rate: float | None) -> Path:
    """Return where the predicted fields of a run of seed 0 are.

    ``torch.load(path, weights_only=True)`` gives {"fields": names, "truth", "prediction"}, both
    (trajectory, frame, field, *space), frame 0 being the first true one; for static data
    {"fields", "inputs": names, "input", "truth", "prediction"}, each (sample, channel, *space).
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", label)
    rate = "" if learning_rate is None else f"@{learning_rate:g}"
    return folder / SAMPLES / f"{slug}{rate}.pt"


def best_rate(runs: Iterable[RunRecord]) -> float | None:
    """Return the learning rate of the lowest validation error, of runs of one label and seed.

    Of equal errors the smaller rate stays, and so it does where all diverged.
    """
    ordered = sorted(runs, key=lambda run: run.learning_rate or 0.0)
    return min(ordered, key=lambda run: _or_infinite(run.validation)).learning_rate


def rows(comparison: Comparison) -> tuple[Row, ...]:
    """Return one row for each operator of the plan that has finished runs, in its order."""
    found = []
    for label in comparison.plan["operators"]:
        runs = [run for run in comparison.runs if run.label == label]
        if any(run.seed == 0 for run in runs):
            found.append(_row(label, runs, comparison.plan.get("rates", {}).get(label, ())))
    return tuple(found)


def estimate(values: Sequence[float | None]) -> Estimate | None:
    """Return mean and interval; None if a value is missing or there is none.

    >>> round(estimate([1.0, 3.0]).half, 3)  # 12.706 * sqrt(2) / sqrt(2)
    12.706
    """
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    half = None
    if len(known) > 1:
        half = student_t(len(known) - 1) * statistics.stdev(known) / math.sqrt(len(known))
    return Estimate(mean=statistics.fmean(known), half=half, values=tuple(known))


def windows_of(steps: int) -> tuple[tuple[int, int], ...]:
    """Return the windows that a roll-out of so many steps has; all steps where it is short.

    >>> windows_of(7)
    ((1, 5), (1, 7))
    """
    fitting = tuple(window for window in WINDOWS if window[1] <= steps)
    return fitting if steps >= 10 else (*(w for w in fitting if w[1] < steps), (1, steps))


def _row(label: str, runs: Sequence[RunRecord], planned: Sequence[float]) -> Row:
    firsts = sorted((run for run in runs if run.seed == 0), key=lambda r: r.learning_rate or 0.0)
    rate = best_rate(firsts)
    best = sorted((run for run in runs if run.learning_rate == rate), key=lambda run: run.seed)
    tried = tuple((r.learning_rate, r.validation) for r in firsts if r.learning_rate is not None)
    grid = {*planned, *(value for value, _ in tried)}
    first = best[0]
    return Row(
        label=label,
        operator=first.operator,
        criterion=first.criterion,
        trained=rate is not None,
        width=first.width,
        parameters=first.parameters,
        learning_rate=rate,
        rate_at_edge=len(grid) > 1 and rate in {min(grid), max(grid)},
        tried=tried,
        seeds=len(best),
        diverged=sum(run.diverged for run in best),
        one_step=estimate([run.one_step for run in best]),
        relative_l2=estimate([run.relative_l2 for run in best]),
        fields={n: estimate([r.fields.get(n) for r in best]) for n in first.fields},
        windows=_windows(best),
        rollout=_mean_rollout(best),
        runs=tuple(best),
        **_costs(best),
    )


def _costs(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the medians over the seeds; what does not depend on the seed is the first's."""
    steps = [run.step_seconds for run in runs if run.step_seconds is not None]
    return {
        "steps": int(statistics.median(run.steps for run in runs)),
        "training_seconds": statistics.median(run.training_seconds for run in runs),
        "step_seconds": statistics.median(steps) if steps else None,
        "inference_seconds": statistics.median(run.inference_seconds for run in runs),
        "peak_bytes": runs[0].peak_bytes,
        "flops": runs[0].flops,
    }


def _windows(runs: Sequence[RunRecord]) -> dict[str, Estimate | None]:
    rolled = [run.rollout for run in runs if run.rollout is not None]
    if len(rolled) < len(runs):
        return {}
    return {
        f"{first}-{last}": estimate([_mean(rollout[first - 1 : last]) for rollout in rolled])
        for first, last in windows_of(len(rolled[0]))
    }


def _mean_rollout(runs: Sequence[RunRecord]) -> tuple[float | None, ...] | None:
    rolled = [run.rollout for run in runs if run.rollout is not None]
    if len(rolled) < len(runs):
        return None
    return tuple(_mean(step) for step in zip(*rolled, strict=True))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
