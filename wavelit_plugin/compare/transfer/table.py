"""The transfer matrix for a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from wavelit_plugin.compare.transfer.matrix import Entry, Matrix
from wavelit_plugin.compare.transfer.request import BESPOKE, COLUMNS

_UNBOUNDED = 10_000  # characters


def matrix_table(matrix: Matrix) -> Table:
    """Return one column a data set: one-step VRMSE, and in brackets over the bespoke model's."""
    training = matrix.plan["training"]
    table = Table(
        title=f"one-step VRMSE: {training['steps']} steps a data set, fine-tuning "
        f"{training['fine_tune_steps']}, batch {training['batch_size']}",
        caption="in brackets: over the bespoke model's; below 1 the other data helped",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("", no_wrap=True)
    for name in matrix.data_sets:
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for column in matrix.columns:
        table.add_row(column, *(shown(matrix.entry(name, column)) for name in matrix.data_sets))
    return table


def as_text(matrix: Matrix) -> str:
    """Return the table, as wide as its numbers need, and the legend."""
    table = matrix_table(matrix)
    needed = Console(width=_UNBOUNDED).measure(table).maximum
    wide = Console(width=max(Console().width, needed))
    with wide.capture() as captured:
        wide.print(table)
    return "\n".join([captured.get().rstrip(), "", *legend(matrix)])


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
    return f"{number}\n({entry.one_step_ratio:.2f})"
