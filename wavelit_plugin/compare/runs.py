"""The records of a comparison on disk: every finished run, and one row an operator.

A folder holds what ``store`` keeps, and in ``samples/`` the predicted fields of each run of seed 0.
Errors that are not finite are None.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.store import RunRecord, RunSpec, read_plan, read_runs, slug
from wavelit_plugin.compare.student import student_t
from wavelit_plugin.files import content_errors, load_tensors, make_folder, save_tensors

SAMPLES = "samples"

COMPARISON = "a comparison"
ADVICE = "make the comparison again, in another folder"

WINDOWS = ((1, 5), (6, 10), (1, 10), (11, 20))
"""Roll-out steps, first and last, that errors are averaged over where there are as many."""

DEMO_WINDOWS = ((1, 5), (6, 10))
"""Those of the demonstration."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a folder holds.

    Attributes:
        plan: the content of ``plan.json``: command, data, budget, batch_size, seeds, match,
            predict, versions, hardware, operators (labels in order), settings (the key), ...
        runs: the finished runs of these settings.
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
        label: the operator's name, with ``:CRITERION`` where it is not the mean squared error.
        operator, criterion: the same in two.
        width: that it was built with; None is its native size.
        parameters: trained numbers, a complex one counts as two.
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
        peak_bytes: temporary memory of one training step (forward and backward).
        flops: of one sample forward as torch counts them, FFTs left out.
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
    plan = read_plan(folder, COMPARISON)
    with content_errors(folder, ADVICE):
        return Comparison(plan=plan, runs=read_runs(folder, plan["settings"]))


def samples_path(folder: Path, label: str, learning_rate: float | None) -> Path:
    """Return where the predicted fields of a run of seed 0 are.

    ``torch.load(path, weights_only=True)`` gives {"fields": names, "truth", "prediction"}, both
    (trajectory, frame, field, *space), frame 0 being the first true one; for static data
    {"fields", "inputs": names, "input", "truth", "prediction"}, each (sample, channel, *space).
    """
    rate = "" if learning_rate is None else f"@{learning_rate:g}"
    return folder / SAMPLES / f"{slug(label)}{rate}.pt"


def keep_samples(folder: Path, spec: RunSpec, samples: Mapping[str, Any]) -> None:
    """Keep the fields of a run, whole or not at all, where ``samples_path`` says."""
    path = samples_path(folder, spec.label, spec.learning_rate)
    make_folder(path.parent)
    save_tensors(dict(samples), path)


def load_samples(folder: Path, spec: RunSpec) -> dict[str, Any]:
    """Return what ``keep_samples`` kept; DataError where it is missing or damaged."""
    path = samples_path(folder, spec.label, spec.learning_rate)
    return load_tensors(path, advice="delete it and make the run again")


def best_rate(runs: Iterable[RunRecord]) -> float | None:
    """Return the learning rate of the lowest validation error, of runs of one label and seed.

    Of equal errors the smaller rate stays, and so it does where all diverged.
    """
    ordered = sorted(runs, key=_rate)
    return min(ordered, key=lambda run: _or_infinite(run.metrics["validation"])).spec.learning_rate


def rows(comparison: Comparison) -> tuple[Row, ...]:
    """Return one row for each operator of the plan that has finished runs, in its order."""
    plan, found = comparison.plan, []
    with content_errors(Path("a record of a run"), ADVICE):
        for label in plan["operators"]:
            runs = [run for run in comparison.runs if run.spec.label == label]
            if any(run.spec.seed == 0 for run in runs):
                found.append(_row(label, runs, plan))
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


def _row(label: str, runs: Sequence[RunRecord], plan: Mapping[str, Any]) -> Row:
    firsts = sorted((run for run in runs if run.spec.seed == 0), key=_rate)
    rate = best_rate(firsts)
    best = sorted(
        (run for run in runs if run.spec.learning_rate == rate), key=lambda run: run.spec.seed
    )
    tried = tuple(
        (run.spec.learning_rate, run.metrics["validation"])
        for run in firsts
        if run.spec.learning_rate is not None
    )
    grid = {*plan.get("rates", {}).get(label, ()), *(value for value, _ in tried)}
    operator, _, criterion = label.partition(":")
    found = [run.metrics for run in best]
    rolled = [each["rollout"] for each in found]
    return Row(
        label=label,
        operator=operator,
        criterion=criterion or "mse",
        trained=rate is not None,
        width=plan.get("widths", {}).get(label),
        learning_rate=rate,
        rate_at_edge=len(grid) > 1 and rate in {min(grid), max(grid)},
        tried=tried,
        seeds=len(best),
        diverged=sum(each["diverged"] for each in found),
        one_step=estimate([each["one_step"] for each in found]),
        relative_l2=estimate([each["relative_l2"] for each in found]),
        fields={n: estimate([each["fields"].get(n) for each in found]) for n in found[0]["fields"]},
        windows=_windows(rolled),
        rollout=None if None in rolled else tuple(map(mean, zip(*rolled, strict=True))),
        runs=tuple(best),
        **_costs([run.costs for run in best]),
    )


def _costs(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians over the seeds; what does not depend on the seed is the first's."""
    medians = {
        name: statistics.median(values)
        for name in ("steps", "training_seconds", "step_seconds", "inference_seconds")
        if (values := [costs[name] for costs in found if costs[name] is not None])
    }
    same = {name: found[0][name] for name in ("parameters", "peak_bytes", "flops")}
    return {"step_seconds": None, **medians, **same, "steps": int(medians["steps"])}


def _windows(rolled: Sequence[Sequence[float | None] | None]) -> dict[str, Estimate | None]:
    known = [each for each in rolled if each is not None]
    if len(known) < len(rolled):
        return {}
    return {
        f"{first}-{last}": estimate([mean(each[first - 1 : last]) for each in known])
        for first, last in windows_of(len(known[0]))
    }


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where a value is missing."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value


def _rate(run: RunRecord) -> float:
    return run.spec.learning_rate or 0.0
