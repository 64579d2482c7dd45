"""``wavelit compare``: operators on one data set, under one budget, at their best."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wavelit_plugin.cli.interruption import resumable
from wavelit_plugin.cli.output import show, show_json, show_table, tell
from wavelit_plugin.errors import HostError

if TYPE_CHECKING:
    from wavelit_plugin.compare.report import Report
    from wavelit_plugin.compare.runs import Comparison

_DATA = "A folder of data, FOLDER/NAME where it holds several, or a problem to simulate."
_OPERATORS = (
    "Names with commas between them: see wavelit list operators. NAME:CRITERION trains an operator "
    "by that criterion instead of the mean squared error."
)
_MATCH = "parameters=NUMBER, seconds (a step takes as long as waveliT's) or native."
_LR_GRID = (
    "Learning rates to try; while the best is the smallest or the largest of several, the next "
    "beyond it is tried too, up to four. 1 searches nothing."
)
_NOISE = "Train on states moved by noise of the model's own error, band by band, times this."
_PUSH_FORWARD = "Share of the budget, at its end, to train on own predictions; such as 0.2."
_CYCLE_SHIFT = (
    "Roll out with another offset in each step, within cells of so many points; periodic axes only."
)


@click.command("compare")
@click.option("--data", required=True, help=_DATA)
@click.option("--operators", required=True, help=_OPERATORS)
@click.option("--budget", default="steps=2000", show_default=True, help="steps=N or seconds=S.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Runs at the best rate.")
@click.option("--lr-grid", type=int, default=3, show_default=True, help=_LR_GRID)
@click.option("--match", default="parameters=1000000", show_default=True, help=_MATCH)
@click.option("--predict", default="auto", show_default=True, help="state, change or auto.")
@click.option("--batch-size", type=int, default=8, show_default=True)
@click.option("--size", type=int, help="Points an axis, of a problem; default 64.")
@click.option("--trajectories", type=int, help="For training, of a problem; default 64.")
@click.option("--noise", type=float, default=0.0, help=_NOISE)
@click.option("--push-forward", type=float, default=0.0, help=_PUSH_FORWARD)
@click.option("--cycle-shift", type=int, default=0, help=_CYCLE_SHIFT)
@click.option("--device", default="cpu", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("compare"), show_default=True)
@click.option("--skip-missing", is_flag=True, help="Leave out operators that cannot take part.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON object.")
def command(*, as_json: bool, **options: Any) -> int:
    """Train OPERATORS on the same data and compare their errors and costs.

    Each learning rate is tried on seed 0, further ones where the best of them is at an edge, and
    the best on validation data is repeated with the other seeds. Finished runs are kept in the
    folder: a command that was stopped goes on where it was, one with more operators or seeds adds
    to the table, and the same one in several processes shares the runs. Writes report.html there.
    """
    from wavelit_plugin.cli.progress import plan_display
    from wavelit_plugin.compare.comparison import compare
    from wavelit_plugin.compare.request import compare_request

    request = compare_request(**options)
    with resumable(request.out, "finished runs are"), plan_display() as watcher:
        comparison = compare(request, watcher, command=("wavelit", *sys.argv[1:]))
    report = _report(request.out)
    if as_json:
        show_json(_as_plain(comparison, request.out, report))
    else:
        _show(comparison, report)
    return 0


def _as_plain(comparison: Comparison, folder: Path, report: Report | None) -> dict[str, object]:
    from wavelit_plugin.compare.report.tables import as_plain
    from wavelit_plugin.compare.runs import rows

    return {
        "folder": str(folder),
        "plan": comparison.plan,
        "rows": [as_plain(row) for row in rows(comparison)],
        "report": None if report is None else report.as_plain(),
    }


def _show(comparison: Comparison, report: Report | None) -> None:
    from wavelit_plugin.compare.runs import rows
    from wavelit_plugin.compare.table import rows_table

    show_table(rows_table(comparison.plan, rows(comparison)))
    if report is not None:
        show(f"\n{report.headline}\nwrote {report.page}")


def _report(folder: Path) -> Report | None:
    """Write the report; what it needs may be missing, which takes nothing from the results."""
    from wavelit_plugin.compare.report import write_report

    try:
        return write_report(folder)
    except HostError as error:
        tell(f"no report: {error}; then: wavelit report {folder}")
        return None
