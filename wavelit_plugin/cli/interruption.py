"""What a command that goes on where it was says when it is interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from wavelit_plugin.cli.output import tell

INTERRUPTED = 130
"""The exit code."""


@contextmanager
def resumable(out: Path, kept: str) -> Iterator[None]:
    """End the command with one line on Ctrl-C instead of a traceback.

    Args:
        out: folder of the results.
        kept: what of them is kept, with its verb, such as "finished runs are".
    """
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted; {kept} kept in {out}, and the same command goes on from there")
        raise click.exceptions.Exit(INTERRUPTED) from None
