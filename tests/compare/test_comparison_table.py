"""The table: one row an operator, the best marked, nothing cut off on a narrow terminal."""

import torch
from rich.console import Console

from wavelit_plugin.compare.records import Budget, Errors, Result
from wavelit_plugin.compare.table import comparison_table


def result(name: str, error: float, *, parameters: int | None = 1_193_187) -> Result:
    return Result(
        operator=name,
        errors=Errors(one_step=error, rollout=(error,) * 10),
        prediction=torch.zeros(1, 10, 1, 4, 4),
        parameters=parameters,
        seconds=50.0,
    )


def printed(*results: Result) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(comparison_table(results, Budget(steps=400)))
    return capture.get()


def test_a_row_holds_parameters_seconds_and_milliseconds_a_step() -> None:
    (row,) = (line for line in printed(result("FNO", 0.25)).splitlines() if "FNO" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["FNO", "1,193,187", "50.0", "125", "0.250", "0.250", "0.250"]


def test_what_was_not_trained_has_no_cost() -> None:
    (row,) = (
        line
        for line in printed(result("persistence", 1.0, parameters=None)).splitlines()
        if "persistence" in line
    )
    assert row.count(" - ") == 3


def test_only_the_lowest_error_is_bold() -> None:
    table = comparison_table([result("a", 0.2), result("b", 0.1)], Budget())
    assert list(table.columns[4].cells) == ["0.200", "[bold]0.100[/bold]"]


def test_a_diverged_roll_out_is_named_and_never_best() -> None:
    table = comparison_table([result("a", float("nan")), result("b", 0.5)], Budget())
    assert list(table.columns[5].cells) == ["diverged", "[bold]0.500[/bold]"]
