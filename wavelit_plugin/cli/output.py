"""The one way in which commands print: words are whole at any width, and in any encoding.

On a terminal lines end between words and tables fit. In a file or a pipe a line is as long as it
is, so that it can be searched. What an encoding lacks is spelt in letters that it has.
"""

from __future__ import annotations

import codecs
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TextIO

import click

from wavelit_plugin.compare.text_table import TextTable, wrapped

_SPELT = {
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{EN DASH}": "-",
    "\N{MICRO SIGN}": "u",
    "\N{HORIZONTAL ELLIPSIS}": "...",
}


def show(text: str, colours: Mapping[str, str] | None = None) -> None:
    """Print text; on a terminal its lines end between words.

    Args:
        text: of one or several lines.
        colours: of words; the first of each has it, on a terminal.
    """
    if _is_terminal():
        text = wrapped(_spelt(text), _width())
    for word, colour in (colours or {}).items():
        text = text.replace(word, click.style(word, fg=colour), 1)
    show_verbatim(text)


def show_table(table: TextTable) -> None:
    """Print a table: on a terminal as it fits, elsewhere a line a row."""
    # what is spelt is longer, so before it is laid out
    table = replace(table, rows=tuple(tuple(map(_spelt, row)) for row in table.rows))
    if _is_terminal():
        show_verbatim(table.text(_width(), stress=partial(click.style, bold=True)))
    else:
        show_verbatim(table.text())


def show_verbatim(text: str) -> None:
    """Print what is to be copied as it is, such as a configuration."""
    _print(text, sys.stdout)


def show_json(content: object) -> None:
    """Print plain types as JSON; numbers must be finite."""
    show_verbatim(json.dumps(content, indent=2, allow_nan=False))


def tell(line: str) -> None:
    """Print a line about the command itself, on standard error."""
    _print(f"wavelit: {line}", sys.stderr)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is None:  # it was closed before Python started
        return
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    click.echo(_spelt(text, stream), file=stream, color=False if plain else None)


def _spelt(text: str, stream: TextIO | None = None) -> str:
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, _spell.__name__).decode(encoding)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _width() -> int:
    return shutil.get_terminal_size().columns


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks, as ``codecs`` asks for it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    escaped = (letter.encode("ascii", "backslashreplace").decode() for letter in letters)
    spelt = (_SPELT.get(letter, code) for letter, code in zip(letters, escaped, strict=True))
    return "".join(spelt), error.end


codecs.register_error(_spell.__name__, _spell)
