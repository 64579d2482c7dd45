"""What waveliT costs where it errs as much as another operator: interpolation, and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wavelit_plugin.compare.runs import Row

Costs = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A training: what it cost, by name, and how it errs."""

    costs: Costs
    error: float


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Costs at an error; only bounds from above if nothing that costs less was tried."""

    costs: Costs
    bound: bool


def crossing(points: Sequence[Point], error: float) -> Crossing | None:
    """Return what the first of the points costs that errs as little; None if none does.

    Between two points error and costs are powers of each other.

    Args:
        points: ascending in their costs.
        error: that is to be reached.
    """
    reached = next((i for i, point in enumerate(points) if point.error <= error), None)
    if reached is None:
        return None
    point = points[reached]
    if not reached:
        return Crossing(costs=point.costs, bound=True)
    before = points[reached - 1]
    share = math.log(before.error / error) / math.log(before.error / point.error)
    costs = {
        name: before.costs[name] * (cost / before.costs[name]) ** share
        for name, cost in point.costs.items()
    }
    return Crossing(costs=costs, bound=False)


def record_of(
    row: Row, times: Costs, shorter: Sequence[Point], smaller: Sequence[Point]
) -> dict[str, Any]:
    """Return the numbers of an operator beside those of waveliT at its error.

    Args:
        row: of the operator.
        times: ``step_seconds`` and ``inference_seconds`` of it.
        shorter: waveliT's trainings by their ``training_seconds``.
        smaller: its sizes, with ``parameters_count`` and the times.
    """
    own = {"training_seconds": row.training_seconds}
    error = math.inf if row.one_step is None else row.one_step.mean
    by_time, by_size = crossing(shorter, error), crossing(smaller, error)
    in_time, in_size = (at.costs if at else {} for at in (by_time, by_size))
    found = {"training": by_time, "size": by_size}
    bounds = [name for name, at in found.items() if at and at.bound]
    return {
        "operator": row.label,
        "parameters_count": row.parameters,
        "vrmse_one_step": row.one_step and row.one_step.mean,
        **own,
        "ours_training_seconds": in_time.get("training_seconds"),
        "training_over_ours_ratio": _ratio(own, in_time, "training_seconds"),
        "ours_parameters_count": in_size.get("parameters_count"),
        "step_over_ours_ratio": _ratio(times, in_size, "step_seconds"),
        "inference_over_ours_ratio": _ratio(times, in_size, "inference_seconds"),
        "at_least": ", ".join(bounds) or None,
    }


def _ratio(own: Costs, ours: Costs, name: str) -> float | None:
    return own[name] / ours[name] if name in ours else None
