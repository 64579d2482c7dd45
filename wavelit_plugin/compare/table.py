"""The table of a comparison, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from wavelit_plugin.compare.records import WINDOWS, Budget, Result
from wavelit_plugin.compare.runs import Estimate, Row


def comparison_table(results: Sequence[Result], budget: Budget) -> Table:
    """Return one row an operator; the lowest error of every column is bold."""
    table = Table(
        title=f"{budget.steps} steps of batch {budget.batch_size}, seed {budget.seed}",
        caption="VRMSE: 0 is exact, 1 no better than the field's mean; steps of a roll-out",
    )
    table.add_column("operator", no_wrap=True)
    windows = (f"VRMSE\nsteps {first}-{last}" for first, last in WINDOWS)
    for heading in ("parameters", "training\nseconds", "ms a\nstep", "VRMSE\n1 step", *windows):
        table.add_column(heading, justify="right", no_wrap=True)
    columns = list(zip(*map(_errors, results), strict=True))
    for row, result in enumerate(results):
        errors = [_shown(column[row], least=min(column)) for column in columns]
        table.add_row(result.operator, *_cost(result, budget), *errors)
    return table


def rows_table(plan: Mapping[str, Any], rows: Sequence[Row]) -> Table:
    """Return one row an operator with means over the seeds; the lowest of a column is bold.

    Args:
        plan: the content of ``plan.json``.
        rows: of one comparison.
    """
    budget = ", ".join(f"{value:g} {unit}" for unit, value in plan["budget"].items())
    seeds = max((row.seeds for row in rows), default=0)
    table = Table(
        title=f"{plan['data']['name']}: {budget} of batch {plan['batch_size']}, {seeds} seeds",
        caption="VRMSE on test data, mean over seeds and half its 95 % interval; 1 is no better "
        "than the field's mean. * the best rate is the smallest or largest that was tried",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("operator", no_wrap=True)
    # a terminal has room for one window: the last that starts with the first step
    whole = [name for row in rows for name in row.windows if name.startswith("1-")]
    windows = whole[-1:]
    costs = ("parameters", "best\nrate", "training\nseconds")
    one = "1 step" if windows else "VRMSE"
    for heading in (*costs, one, *(f"steps {name}" for name in windows)):
        table.add_column(heading, justify="right", no_wrap=True)
    errors = [[row.one_step, *(row.windows.get(name) for name in windows)] for row in rows]
    least = [_least(column) for column in zip(*errors, strict=True)]
    for row, values in zip(rows, errors, strict=True):
        shown = (_estimate(value, low) for value, low in zip(values, least, strict=True))
        table.add_row(row.label, *_row_costs(row), *shown)
    return table


def _row_costs(row: Row) -> tuple[str, str, str]:
    if row.learning_rate is None:
        return f"{row.parameters:,}", "-", "-"
    rate = f"{row.learning_rate:g}{'*' if row.rate_at_edge else ''}"
    return f"{row.parameters:,}", rate, f"{row.training_seconds:.1f}"


def _least(column: Sequence[Estimate | None]) -> float:
    return min((value.mean for value in column if value is not None), default=math.inf)


def _estimate(value: Estimate | None, least: float) -> str:
    if value is None:
        return "diverged"
    spread = "" if value.half is None else f" ± {value.half:.3f}"
    text = f"{value.mean:.3f}{spread}"
    return f"[bold]{text}[/bold]" if value.mean == least else text


def _errors(result: Result) -> tuple[float, ...]:
    values = (result.errors.one_step, *(result.errors.window(*window) for window in WINDOWS))
    return tuple(value if math.isfinite(value) else math.inf for value in values)


def _shown(error: float, *, least: float) -> str:
    text = "diverged" if math.isinf(error) else f"{error:.3f}"
    return f"[bold]{text}[/bold]" if error == least and math.isfinite(error) else text


def _cost(result: Result, budget: Budget) -> tuple[str, str, str]:
    if result.parameters is None or result.seconds is None:
        return "-", "-", "-"
    step = 1000 * result.seconds / budget.steps
    return f"{result.parameters:,}", f"{result.seconds:.1f}", f"{step:.0f}"
