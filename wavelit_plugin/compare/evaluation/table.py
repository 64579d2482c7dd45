"""The table of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wavelit_plugin.compare.evaluation.predictors import MODEL
from wavelit_plugin.compare.evaluation.summary import ALL, VRMSE, Row
from wavelit_plugin.compare.report.numbers import error_text
from wavelit_plugin.compare.text_table import TextTable


def rows_table(plan: Mapping[str, Any], rows: Sequence[Row]) -> TextTable:
    """Return the VRMSE of every predictor, and of the model field by field.

    Args:
        plan: the content of ``plan.json``.
        rows: of that evaluation.
    """
    vrmse = [row for row in rows if row.measure == VRMSE]
    chosen = {name: (name, ALL) for name in dict.fromkeys(row.predictor for row in vrmse)}
    chosen |= {f"{MODEL}: {field}": (MODEL, field) for field in plan["data"]["fields"]}
    return TextTable(
        title=f"{plan['checkpoint']['name']} on {plan['data']['name']}, "
        f"{vrmse[0].trajectories} trajectories",
        columns=("predictor", *dict.fromkeys(row.window for row in vrmse)),
        rows=tuple(
            (name, *(_cell(row) for row in vrmse if (row.predictor, row.field) == one))
            for name, one in chosen.items()
        ),
        caption="VRMSE, mean over trajectories and steps and in brackets the median trajectory; 1 "
        "is no better than each frame's own mean",
        numbers=True,
    )


def _cell(row: Row) -> str:
    return f"{error_text(row.mean)} ({error_text(row.median)})"
