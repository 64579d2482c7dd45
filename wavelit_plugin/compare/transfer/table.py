"""The table of a transfer matrix."""

from __future__ import annotations

from wavelit_plugin.compare.text_table import TextTable
from wavelit_plugin.compare.transfer.matrix import Entry, Matrix
from wavelit_plugin.compare.transfer.request import BESPOKE, COLUMNS


def matrix_table(matrix: Matrix) -> TextTable:
    """Return one column a data set: one-step VRMSE, and in brackets over the bespoke model's."""
    training = matrix.plan["training"]
    return TextTable(
        title=f"one-step VRMSE: {training['steps']} steps a data set, fine-tuning "
        f"{training['fine_tune_steps']}, batch {training['batch_size']}",
        columns=("model", *matrix.data_sets),
        rows=tuple(
            (column, *(shown(matrix.entry(name, column)) for name in matrix.data_sets))
            for column in matrix.columns
        ),
        caption="in brackets: over the bespoke model's; below 1 the other data helped",
        numbers=True,
    )


def legend(matrix: Matrix) -> list[str]:
    """Return a line for each column, and one for each cell that has no number."""
    lines = [f"{column}: {COLUMNS[column]}" for column in matrix.columns]
    missing = [entry for entry in matrix.entries if entry.note]
    return lines + [f"no {entry.column} for {entry.data_set}: {entry.note}" for entry in missing]


def shown(entry: Entry | None) -> str:
    """Return the number of a cell, or a dash."""
    if entry is None or entry.one_step is None:
        return "-"
    number = f"{entry.one_step.mean:#.3g}"
    if entry.one_step_ratio is None or entry.column == BESPOKE:
        return number
    return f"{number} ({entry.one_step_ratio:.2f})"
