"""``wavelit transfer``: one model of several data sets, and what it is worth on each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wavelit_plugin.cli.interruption import resumable
from wavelit_plugin.cli.output import show, show_json, show_table, tell
from wavelit_plugin.errors import HostError

if TYPE_CHECKING:
    from wavelit_plugin.compare.transfer.matrix import Matrix

_DATA = "Folders of one or several data sets, or FOLDER/NAME, with commas between them."
_STEPS = "Of training from scratch, for each data set of the training."
_COLUMNS = "Default all: bespoke,joint,joint+tuned,left-out,... with persistence to compare with."
_WEIGHTS = "NAME=NUMBER,...: how often a data set is drawn in joint training; default 1."

_STREAM = "Read batches from The Well's files instead of keeping the data in memory."


@click.command("transfer")
@click.option("--data", required=True, help=_DATA)
@click.option("--out", type=click.Path(path_type=Path), default=Path("transfer"), show_default=True)
@click.option("--steps", type=int, default=2000, show_default=True, help=_STEPS)
@click.option("--fine-tune-steps", type=int, default=500, show_default=True, help="On one of them.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Runs of everything.")
@click.option("--preset", default="waveliT", show_default=True, help="See wavelit list models.")
@click.option("--width", type=int, help="Instead of the preset's.")
@click.option("--columns", default="", help=_COLUMNS)
@click.option("--waves", default="", help="Names of the data sets of a wave-only model.")
@click.option("--flows", default="", help="Names of the data sets of a flow-only model.")
@click.option("--weights", default="", help=_WEIGHTS)
@click.option("--batch-size", type=int, default=8, show_default=True)
@click.option("--learning-rate", type=float, default=3e-3, show_default=True)
@click.option("--fine-tune-rate", type=float, default=1e-3, show_default=True)
@click.option("--save-every", type=int, default=200, show_default=True, help="Steps.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--stream", is_flag=True, help=_STREAM)
@click.option("--json", "as_json", is_flag=True, help="Print the matrix as one JSON object.")
def command(*, as_json: bool, **options: Any) -> int:
    """Train models on one, on all and on all but one of several data sets.

    Their errors stand in one matrix. Trainings keep their state: a command that was stopped goes on
    where it was, and one with more seeds or columns adds to the matrix. Writes transfer.json, .csv,
    .png and .svg, and each model.
    """
    from wavelit_plugin.cli.progress import plan_display
    from wavelit_plugin.compare.transfer.matrix import write_matrix
    from wavelit_plugin.compare.transfer.request import transfer_request
    from wavelit_plugin.compare.transfer.transfer import transfer

    request = transfer_request(**options)
    with resumable(request.out, "what is done is"), plan_display() as watcher:
        matrix = transfer(request, watcher, command=("wavelit", *sys.argv[1:]))
    written = write_matrix(matrix, request.out) + _picture(matrix, request.out)
    if as_json:
        show_json(matrix.as_plain())
    else:
        _show(matrix, written)
    return 0


def _picture(matrix: Matrix, folder: Path) -> tuple[Path, ...]:
    """Draw; what it needs may be missing, which takes nothing from the results."""
    from wavelit_plugin.compare.transfer.picture import write_picture

    try:
        return write_picture(matrix, folder)
    except HostError as error:
        tell(f"no picture: {error}; then the same command again")
        return ()


def _show(matrix: Matrix, written: tuple[Path, ...]) -> None:
    from wavelit_plugin.compare.transfer.table import legend, matrix_table

    show_table(matrix_table(matrix))
    show("\n".join(["", *legend(matrix), "", *(f"wrote {path}" for path in written)]))
