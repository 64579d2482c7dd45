"""The table: one row an operator, the best marked, nothing cut off on a narrow terminal."""

import re

from wavelit_plugin.compare.records import Budget
from wavelit_plugin.compare.store import RunRecord, RunSpec
from wavelit_plugin.compare.table import comparison_table
from wavelit_plugin.compare.text_table import TextTable


def run(name: str, error: float | None, *, trained: bool = True) -> RunRecord:
    return RunRecord(
        spec=RunSpec(label=name),
        metrics={"one_step": error, "rollout": (error,) * 10},
        costs={"parameters": 1_193_187, "training_seconds": 50.0} if trained else {},
    )


def row(table: TextTable, name: str) -> tuple[str, ...]:
    (found,) = (row for row in table.rows if row[0] == name)
    return found


def test_a_row_holds_parameters_seconds_and_milliseconds_a_step() -> None:
    table = comparison_table([run("FNO", 0.25)], Budget(steps=400))
    assert row(table, "FNO") == ("FNO", "1,193,187", "50.0", "125", "0.250", "0.250", "0.250")


def test_a_terminal_of_80_columns_has_room_for_all_of_it() -> None:
    table = comparison_table([run("waveliT", 0.25), run("persistence", 1.0)], Budget())
    text = table.text(80)
    assert re.search(
        r"^waveliT +1,193,187 +50\.0 +125 +0\.250 +0\.250 +0\.250$", text, re.MULTILINE
    )
    assert max(map(len, text.splitlines())) <= 80


def test_what_was_not_trained_has_no_cost() -> None:
    table = comparison_table([run("persistence", 1.0, trained=False)], Budget())
    assert row(table, "persistence")[1:4] == ("-", "-", "-")


def test_only_the_lowest_error_is_best() -> None:
    table = comparison_table([run("a", 0.2), run("b", 0.1)], Budget())
    assert table.best == {(1, 4), (1, 5), (1, 6)}
    assert "[0.100]" in table.text(stress=lambda cell: f"[{cell}]")


def test_a_diverged_roll_out_is_named_and_never_best() -> None:
    table = comparison_table([run("a", None), run("b", 0.5)], Budget())
    assert row(table, "a")[5] == "diverged"
    assert table.best == {(1, 4), (1, 5), (1, 6)}
    alone = comparison_table([run("a", None)], Budget())
    assert alone.best == frozenset()
