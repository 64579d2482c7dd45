"""The table of an evaluation, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from wavelit_plugin.compare.evaluation.predictors import MODEL
from wavelit_plugin.compare.evaluation.summary import ALL, VRMSE, Row
from wavelit_plugin.compare.report.numbers import error_text


def rows_table(plan: Mapping[str, Any], rows: Sequence[Row]) -> Table:
    """Return the VRMSE of every predictor, and of the model field by field.

    Args:
        plan: the content of ``evaluation.json``.
        rows: of that evaluation.
    """
    vrmse = [row for row in rows if row.measure == VRMSE]
    count = vrmse[0].trajectories
    table = Table(
        title=f"{plan['checkpoint']['name']} on {plan['data']['name']}, {count} trajectories",
        caption="VRMSE, mean over trajectories and steps and in brackets the median trajectory; 1 "
        "is no better than each frame's own mean",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("", no_wrap=True)
    windows = list(dict.fromkeys(row.window for row in vrmse))
    for window in windows:
        table.add_column(window, justify="right", no_wrap=True)
    for name in dict.fromkeys(row.predictor for row in vrmse):
        chosen = [row for row in vrmse if (row.predictor, row.field) == (name, ALL)]
        table.add_row(name, *map(_cell, chosen), end_section=name == plan["predictors"][-1])
    for field in plan["data"]["fields"]:
        chosen = [row for row in vrmse if (row.predictor, row.field) == (MODEL, field)]
        table.add_row(field, *map(_cell, chosen))
    return table


def _cell(row: Row) -> str:
    return f"{error_text(row.mean)} ({error_text(row.median)})"
