"""Help that can be read in a narrow terminal: no word is cut, and no option's text is squeezed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from textwrap import TextWrapper

import click

_WIDEST = 80
_LEAST = 32  # characters that a text has beside its option


class Formatter(click.HelpFormatter):
    """Lines end between words; where there is little room, a text stands below its option."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            width = min(shutil.get_terminal_size().columns, max_width or _WIDEST) - 2
        super().__init__(indent_increment, width, max_width)

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        self.write(f"{_fill(text, self.width, self.current_indent)}\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands, each with its text."""
        rows = list(rows)
        indent = self.current_indent
        margin = indent + min(max(len(name) for name, _ in rows), col_max) + col_spacing
        if self.width - margin < _LEAST:
            margin = indent + 2 * self.indent_increment
        for name, text in rows:
            start, filled = " " * indent + name, _fill(text, self.width, margin)
            beside = len(start) + col_spacing <= margin
            self.write(f"{start}{filled[len(start) :]}\n" if beside else f"{start}\n{filled}\n")


class Context(click.Context):
    """The context of a command that is explained in this way."""

    formatter_class = Formatter


class Group(click.Group):
    """Commands that are explained in this way, each by a whole sentence."""

    context_class = Context

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command.context_class = Context
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command's help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, one.get_short_help_str(limit=1000)) for name, one in found if one]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _fill(text: str, width: int, margin: int) -> str:
    """Return paragraphs whose lines end between words, all of them ``margin`` further in."""
    wrapper = TextWrapper(
        width=width,
        initial_indent=" " * margin,
        subsequent_indent=" " * margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n\n".join(wrapper.fill(" ".join(part.split())) for part in text.split("\n\n"))
