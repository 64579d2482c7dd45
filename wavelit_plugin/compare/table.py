"""The table of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from wavelit_plugin.compare.records import Budget
from wavelit_plugin.compare.runs import DEMO_WINDOWS, Estimate, Row, mean
from wavelit_plugin.compare.store import RunRecord
from wavelit_plugin.compare.text_table import TextTable


def comparison_table(runs: Sequence[RunRecord], budget: Budget) -> TextTable:
    """Return one row an operator; the lowest error of every column is the best."""
    windows = (f"VRMSE steps {first}-{last}" for first, last in DEMO_WINDOWS)
    errors = [_errors(run) for run in runs]
    return TextTable(
        title=f"{budget.steps} steps of batch {budget.batch_size}, seed {budget.seed}",
        columns=(
            *("operator", "parameters", "training seconds", "ms a step", "VRMSE 1 step"),
            *windows,
        ),
        rows=tuple(
            (run.spec.label, *_cost(run, budget), *map(_shown, values))
            for run, values in zip(runs, errors, strict=True)
        ),
        caption="VRMSE: 0 is exact, 1 no better than the field's mean; steps of a roll-out",
        numbers=True,
        best=_best(errors, first=4),
    )


def rows_table(plan: Mapping[str, Any], rows: Sequence[Row]) -> TextTable:
    """Return one row an operator with means over the seeds; the lowest of a column is the best.

    Args:
        plan: the content of ``plan.json``.
        rows: of one comparison.
    """
    budget = ", ".join(f"{value:g} {unit}" for unit, value in plan["budget"].items())
    seeds = max((row.seeds for row in rows), default=0)
    counted = "1 seed" if seeds == 1 else f"{seeds} seeds"
    # a terminal has room for one window: the last that starts with the first step
    whole = [name for row in rows for name in row.windows if name.startswith("1-")]
    windows = whole[-1:]
    errors = [[row.one_step, *(row.windows.get(name) for name in windows)] for row in rows]
    means = [[math.inf if each is None else each.mean for each in row] for row in errors]
    return TextTable(
        title=f"{plan['data']['name']}: {budget} of batch {plan['batch_size']}, {counted}",
        columns=(
            *("operator", "parameters", "best rate", "training seconds"),
            *("1 step" if windows else "VRMSE", *(f"steps {name}" for name in windows)),
        ),
        rows=tuple(
            (row.label, *_row_costs(row), *map(_estimate, values))
            for row, values in zip(rows, errors, strict=True)
        ),
        caption="VRMSE on test data, mean over seeds and half its 95 % interval; 1 is no better "
        "than the field's mean. * the best rate is the smallest or largest that was tried",
        numbers=True,
        best=_best(means, first=4),
    )


def _best(errors: Sequence[Sequence[float]], *, first: int) -> frozenset[tuple[int, int]]:
    """Return row and column of the lowest errors; they stand from column ``first`` on."""
    least = [min(column) for column in zip(*errors, strict=True)]
    return frozenset(
        (row, first + column)
        for row, values in enumerate(errors)
        for column, value in enumerate(values)
        if value == least[column] and math.isfinite(value)
    )


def _row_costs(row: Row) -> tuple[str, str, str]:
    if row.learning_rate is None:
        return f"{row.parameters:,}", "-", "-"
    rate = f"{row.learning_rate:g}{'*' if row.rate_at_edge else ''}"
    return f"{row.parameters:,}", rate, f"{row.training_seconds:.1f}"


def _estimate(value: Estimate | None) -> str:
    if value is None:
        return "diverged"
    spread = "" if value.half is None else f" ± {value.half:.3f}"
    return f"{value.mean:.3f}{spread}"


def _errors(run: RunRecord) -> tuple[float, ...]:
    rolled = run.metrics["rollout"]
    windows = (mean(rolled[first - 1 : last]) for first, last in DEMO_WINDOWS)
    return tuple(math.inf if v is None else v for v in (run.metrics["one_step"], *windows))


def _shown(error: float) -> str:
    return "diverged" if math.isinf(error) else f"{error:.3f}"


def _cost(run: RunRecord, budget: Budget) -> tuple[str, str, str]:
    if not run.costs:
        return "-", "-", "-"
    seconds = run.costs["training_seconds"]
    step = 1000 * seconds / budget.steps
    return f"{run.costs['parameters']:,}", f"{seconds:.1f}", f"{step:.0f}"
