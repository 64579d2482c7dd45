"""The table of a comparison, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from wavelit_plugin.compare.records import WINDOWS, Budget, Result


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
