"""``wavelit evaluate``: the errors of one trained model on test trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wavelit_plugin.cli.interruption import resumable
from wavelit_plugin.cli.output import show, show_json, show_table, tell
from wavelit_plugin.errors import HostError

if TYPE_CHECKING:
    from wavelit_plugin.compare.evaluation.evaluation import Evaluation

_DATA = "A folder of data, or FOLDER/NAME where it holds several."
_BUILD = (
    "MODULE:FUNCTION, called with the GridTask: the module that CHECKPOINT holds the weights of."
)
_NORMALISED = "The model was trained on data of mean 0 and deviation 1 a channel."


@click.command("evaluate")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help=_DATA)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("evaluation"), show_default=True
)
@click.option("--steps", type=int, help="Of the roll-outs; by default as many as the data have.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--build", help=_BUILD)
@click.option("--frames", type=int, default=1, show_default=True, help="Inputs of --build.")
@click.option("--normalised", is_flag=True, help=_NORMALISED)
@click.option("--overwrite", is_flag=True, help="Throw away results that are in the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool, **options: object) -> int:
    """Evaluate the model in CHECKPOINT: VRMSE of one step and of roll-outs.

    Beside it stand persistence and the mean of each field. Finished trajectories are kept in the
    folder: a command that was stopped goes on where it was.
    """
    from wavelit_plugin.cli.progress import progress_bars
    from wavelit_plugin.compare.evaluation.evaluation import evaluate_model
    from wavelit_plugin.compare.evaluation.request import EvaluationRequest

    request = EvaluationRequest(**options)  # type: ignore[arg-type]
    with resumable(request.out, "finished trajectories are"), progress_bars() as watch:
        evaluation = evaluate_model(request, watch)
    plain = evaluation.as_plain()
    plain["files"] += [str(path) for path in _pictures(evaluation, request.out)]
    if as_json:
        show_json(plain)
    else:
        _show(evaluation, plain["files"])
    return 0


def _pictures(evaluation: Evaluation, out: Path) -> tuple[Path, ...]:
    """Draw; what it needs may be missing, which takes nothing from the numbers."""
    from wavelit_plugin.compare.evaluation.drawing import write_pictures

    try:
        return write_pictures(evaluation)
    except HostError as error:
        tell(f"no pictures in {out}: {error}")
        return ()


def _show(evaluation: Evaluation, files: list[str]) -> None:
    from wavelit_plugin.compare.evaluation.table import rows_table

    show_table(rows_table(evaluation.plan, evaluation.rows))
    table, record, *pictures = files
    show(f"\nwrote {table} and {record}")
    if pictures:
        show(f"wrote {len(pictures)} files of pictures, {pictures[-1]} among them")
