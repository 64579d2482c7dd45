"""Tables as text: nothing is cut at any width, and in a file a row is a line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelit_plugin.compare.text_table import TextTable, wrapped

TABLE = TextTable(
    title="problems",
    columns=("name", "summary", "media"),
    rows=(
        ("acoustics", "waves in a medium of varying speed", "inclusions, two-phase"),
        ("darcy", "", "lognormal"),
    ),
    caption="as many as there are",
)
COSTS = TextTable(
    title="costs",
    columns=("operator", "training seconds", "error"),
    rows=(("FNO", "1.5", "0.25"), ("waveliT", "12.0", "0.125")),
    numbers=True,
    best=frozenset({(1, 2)}),
)


def test_in_a_file_a_row_is_a_line_in_columns() -> None:
    assert TABLE.text().splitlines() == [
        "problems",
        "name       summary                             media",
        "acoustics  waves in a medium of varying speed  inclusions, two-phase",
        "darcy                                          lognormal",
        "as many as there are",
    ]


def test_on_a_terminal_it_is_in_columns_where_that_fits() -> None:
    assert COSTS.text(27).splitlines() == [
        "costs",
        "",
        "          training",
        "operator   seconds  error",
        "--------  --------  -----",
        "FNO            1.5   0.25",
        "waveliT       12.0  0.125",
    ]


def test_where_it_does_not_fit_it_is_row_by_row_without_what_is_empty() -> None:
    assert TABLE.text(30).splitlines() == [
        "problems",
        "",
        "acoustics",
        "  summary: waves in a medium",
        "    of varying speed",
        "  media: inclusions, two-phase",
        "",
        "darcy",
        "  media: lognormal",
        "",
        "as many as there are",
    ]


def test_what_is_stressed_takes_no_room() -> None:
    stressed = COSTS.text(27, stress=lambda text: f"\033[1m{text}\033[0m")
    assert "  \033[1m0.125\033[0m" in stressed
    assert re.sub(r"\033\[\d+m", "", stressed) == COSTS.text(27)


def test_a_table_without_rows_has_its_headings() -> None:
    empty = TextTable(title="none", columns=("name",), rows=())
    assert empty.text().splitlines() == ["none", "name"]
    assert empty.text(40).splitlines()[-2:] == ["name", "----"]


WORDS = st.from_regex(r"[a-z0-9_=<>./-]{1,30}", fullmatch=True)
CELLS = st.lists(WORDS, max_size=5).map(" ".join)


@given(
    rows=st.lists(st.tuples(WORDS, CELLS, CELLS), min_size=1, max_size=4),
    width=st.none() | st.integers(10, 200),
)
def test_every_word_is_whole_at_every_width(
    rows: list[tuple[str, str, str]], width: int | None
) -> None:
    table = TextTable(title="t", columns=("name", "first", "second"), rows=tuple(rows))
    found = re.findall(r"[^\s:]+", table.text(width))
    for word in (word for row in rows for cell in row for word in cell.split()):
        assert word in found


@given(line=CELLS, width=st.integers(10, 80))
def test_lines_are_no_longer_than_the_width_but_for_a_long_word(line: str, width: int) -> None:
    lines = wrapped(f"  {line}", width).splitlines()
    assert " ".join(" ".join(lines).split()) == line
    for part in lines:
        assert len(part) <= width or len(part.split()) == 1


@pytest.mark.parametrize("text", ["", "\n", "one\n\n  two"])
def test_what_fits_stays_as_it_is(text: str) -> None:
    assert wrapped(text, 40) == text
