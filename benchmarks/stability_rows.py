"""The numbers of ``benchmarks.stability``: of one roll-out, and a row of the table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from wavelit_plugin.files import finite
from wavelit_plugin.metrics import vrmse

WINDOWS = ((1, 10), (11, 30), (31, 60), (61, 100))
"""Roll-out steps, first and last, that errors are averaged over."""

Record = dict[str, Any]


def measured(predicted: Tensor, truth: Tensor) -> Record:
    """Return the mean VRMSE of each step, and how large the prediction ever was.

    Both (trajectory, step, field, *space). The size is the largest value over that of the truth,
    of the field where it is largest. What is not finite is None.
    """
    errors = vrmse(predicted.flatten(0, 1), truth.flatten(0, 1))
    by_step = errors.unflatten(0, truth.shape[:2]).mean(dim=(0, 2))
    others = [axis for axis in range(truth.ndim) if axis != 2]
    size = (predicted.abs().amax(others) / truth.abs().amax(others)).max()
    return {
        "vrmse_by_step": [finite(error) for error in by_step],
        "largest_over_truth_ratio": finite(size),
        "finite": bool(predicted.isfinite().all()),
    }


def rows(done: Sequence[Record]) -> list[Record]:
    """Return one record for each operator, recipe and kind of roll-out."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for entry in done:
        for kind, rollout in entry["rollouts"].items():
            key = (entry["operator"], entry["recipe"], kind)
            groups.setdefault(key, []).append({**entry, **rollout})
    return [row(*key, found) for key, found in groups.items()]


def row(operator: str, recipe: str, kind: str, found: Sequence[Record]) -> Record:
    """Return the means over the seeds, the median of the times and the largest size."""
    curves = [entry["vrmse_by_step"] for entry in found]
    windows = {
        f"vrmse_steps_{first}_{last}": mean([window(curve, first, last) for curve in curves])
        for first, last in WINDOWS
    }
    sizes = [entry["largest_over_truth_ratio"] for entry in found]
    return {
        "operator": operator,
        "recipe": recipe,
        "rollout": kind,
        "parameters_count": found[0]["parameters_count"],
        "learning_rate": found[0]["learning_rate"],
        "seeds_count": len(found),
        "finite_count": sum(entry["finite"] for entry in found),
        "training_seconds": statistics.median(entry["training_seconds"] for entry in found),
        "vrmse_one_step": mean([entry["vrmse_one_step"] for entry in found]),
        **windows,
        "vrmse_last_step": mean([curve[-1] for curve in curves]),
        "largest_over_truth_ratio": None if None in sizes else max(sizes),
    }


def window(by_step: Sequence[float | None], first: int, last: int) -> float | None:
    """Return the mean over these steps; None where the roll-out is shorter, or not finite."""
    return mean(by_step[first - 1 : last]) if last <= len(by_step) else None


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where one is."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None
