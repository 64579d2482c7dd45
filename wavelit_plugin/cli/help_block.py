"""The help text in README.md, written from the commands themselves.

``python -m wavelit_plugin.cli.help_block README.md`` brings the file up to date; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wavelit_plugin.cli.group import wavelit
from wavelit_plugin.errors import DataError

START, END = "<!-- wavelit --help: start -->", "<!-- wavelit --help: end -->"
_WIDTH = 90


def help_text() -> str:
    """Return what ``wavelit --help`` prints, at a width that does not depend on the terminal."""
    context = wavelit.make_context(
        "wavelit",
        [],
        resilient_parsing=True,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
    )
    return wavelit.get_help(context)


def with_help(document: str) -> str:
    """Return the document with the help text between its two markers.

    Raises:
        DataError: a marker is missing.
    """
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise DataError(f"the document lacks {START} or {END}; put both where the help belongs")
    return f"{before}{START}\n\n```text\n$ wavelit --help\n{help_text()}\n```\n\n{END}{after}"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_help(path.read_text(encoding="utf-8")), encoding="utf-8")
