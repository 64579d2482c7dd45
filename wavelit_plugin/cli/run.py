"""``wavelit run``: a script of a host, unmodified, with our models and criterion registered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from wavelit_plugin.cli.launch import prepare, run_script


@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option(
    "--criterion",
    metavar="NAME",
    help="Add this loss to the script's own: see wavelit list criteria.",
)
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(criterion: str | None, script: Path, arguments: tuple[str, ...]) -> Callable[[], None]:
    """Run a training SCRIPT as python would, with WaveLiT registered first.

    Everything after SCRIPT is the script's own. Its output, tracebacks and exit code are those
    that python would give.
    """
    prepare(script, criterion)
    return partial(run_script, script, arguments)
