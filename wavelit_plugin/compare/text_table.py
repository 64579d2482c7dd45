"""Tables as text: in columns where all of it fits, else row by row; a word is never cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from textwrap import TextWrapper


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text.

    Attributes:
        title: what it is of.
        columns: headings; the first is of the names of the rows.
        rows: cells of one line, the name first; an empty one says nothing.
        caption: what the cells mean.
        numbers: whether all but the names stand to the right.
        best: row and column of the cells to stress.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    numbers: bool = False
    best: frozenset[tuple[int, int]] = frozenset()

    def text(self, width: int | None = None, stress: Callable[[str], str] = str) -> str:
        """Return the table as text.

        Args:
            width: of a terminal; None is a file or a pipe, where a row is a line of any length.
            stress: called with the text of what is to stand out.
        """
        if width is None:
            lines = [self.title, *self._in_columns(stacked=False, stress=stress), self.caption]
        else:
            lines = list(self._in_columns(stacked=True, stress=str))
            if max(map(len, lines)) <= width:
                lines = list(self._in_columns(stacked=True, stress=stress))
            else:
                lines = list(self._row_by_row(width, stress))
            caption = ["", *wrapped(self.caption, width).split("\n")] if self.caption else []
            lines = [stress(wrapped(self.title, width)), "", *lines, *caption]
        return "\n".join(lines).rstrip("\n")

    def _in_columns(self, *, stacked: bool, stress: Callable[[str], str]) -> Iterator[str]:
        """Yield the lines, all rows in the same columns; stacked, long headings take several."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        headings, sizes = [], []
        for heading, cells in zip(self.columns, columns, strict=True):
            least = max(map(len, (*cells, *heading.split())), default=0)
            headings.append(
                wrapped(heading, least, hanging=0).split("\n") if stacked else [heading]
            )
            sizes.append(max(least, *map(len, headings[-1])))
        height = max(map(len, headings))
        above = zip(*([""] * (height - len(lines)) + lines for lines in headings), strict=True)
        for line in above:
            yield self._line(line, sizes)
        if stacked:
            yield "  ".join("-" * size for size in sizes)
        for number, row in enumerate(self.rows):
            stressed = {column for at, column in self.best if at == number}
            yield self._line(row, sizes, stressed, stress)

    def _line(
        self,
        cells: tuple[str, ...],
        sizes: list[int],
        stressed: frozenset[int] | set[int] = frozenset(),
        stress: Callable[[str], str] = str,
    ) -> str:
        parts = []
        for number, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
            space = " " * (size - len(cell))
            shown = stress(cell) if number in stressed else cell
            parts.append(f"{space}{shown}" if self.numbers and number else f"{shown}{space}")
        return "  ".join(parts).rstrip()

    def _row_by_row(self, width: int, stress: Callable[[str], str]) -> Iterator[str]:
        """Yield a paragraph a row, and in it a line or more for each cell that is not empty."""
        for number, (name, *cells) in enumerate(self.rows):
            if number:
                yield ""
            yield stress(name)
            for heading, cell in zip(self.columns[1:], cells, strict=True):
                if cell:
                    yield wrapped(f"  {heading}: {cell}", width)


def wrapped(text: str, width: int, *, hanging: int = 2) -> str:
    r"""Return text whose lines end between words, those that go on ``hanging`` further in.

    A word longer than the width is left whole.

    >>> wrapped("media: inclusions, maze, two-phase", 20)
    'media: inclusions,\n  maze, two-phase'
    """
    return "\n".join(_wrapped_line(line, width, hanging) for line in text.split("\n"))


def _wrapped_line(line: str, width: int, hanging: int) -> str:
    indent = len(line) - len(line.lstrip())
    wrapper = TextWrapper(
        width=width,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapper.fill(line)
