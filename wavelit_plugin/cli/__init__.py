"""The command ``wavelit``: one command a file, each a thin skin over a typed function.

Exit codes: 0 done, 1 an error that is reported in one line, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from wavelit_plugin.cli.group import user_error, wavelit
from wavelit_plugin.cli.interruption import INTERRUPTED
from wavelit_plugin.cli.output import tell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    A command may return a callable. It is called last, outside the error handling, because a
    user's own script must keep its own tracebacks and exit codes.
    """
    try:
        done = wavelit.main(arguments, prog_name="wavelit", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OSError as error:  # in printing the help
        user_error(error).show()
        return 1
    except click.Abort:
        tell("interrupted")
        return INTERRUPTED
    if callable(done):
        done()
    return done if isinstance(done, int) else 0
