"""``wavelit compare`` at the command line: its text values, its progress, its table."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from rich.console import Console

from wavelit_plugin.cli import main
from wavelit_plugin.cli.progress import plan_display
from wavelit_plugin.compare.comparison import Progress
from wavelit_plugin.compare.request import compare_request, parse_match, parse_spend
from wavelit_plugin.compare.runs import Estimate, Row
from wavelit_plugin.compare.table import rows_table
from wavelit_plugin.errors import ConfigError

STATE = Progress(done=1, total=4, share=0.5, what="FNO, seed 0", loss=0.25, seconds_left=600.0)


def row(label: str, error: float | None, *, edge: bool = False) -> Row:
    found = None if error is None else Estimate(mean=error, half=0.01, values=(error, error))
    return Row(
        label=label,
        operator=label,
        criterion="mse",
        trained=True,
        width=32,
        parameters=1000,
        learning_rate=2e-3,
        rate_at_edge=edge,
        tried=(),
        seeds=2,
        diverged=0,
        one_step=found,
        relative_l2=found,
        fields={},
        windows={"1-5": found, "1-10": found},
        rollout=None,
        steps=10,
        training_seconds=1.5,
        step_seconds=0.1,
        inference_seconds=0.01,
        peak_bytes=None,
        flops=None,
        runs=(),
    )


@pytest.mark.parametrize("text", ["steps", "steps=", "steps=ten", "epochs=3", "seconds=x", ""])
def test_a_budget_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="budget must be steps=NUMBER or seconds=NUMBER, got"):
        parse_spend(text)


@pytest.mark.parametrize(
    "text", ["steps=0", "seconds=0", "seconds=-1", "seconds=inf", "seconds=nan"]
)
def test_a_budget_of_nothing_or_without_end_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"(steps|seconds) must be"):
        parse_spend(text)


def test_budgets_and_matches_are_read() -> None:
    assert parse_spend("seconds=1.5").seconds == 1.5
    assert parse_spend("steps=2_000").steps == 2000
    assert parse_match("parameters=1_000_000").as_text() == "parameters=1000000"
    assert parse_match("seconds").kind == "seconds"


@pytest.mark.parametrize("text", ["parameters", "parameters=many", "size", "parameters=0"])
def test_a_match_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"match must be|parameters must be"):
        parse_match(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds must be an integer of at least 1"),
        ({"lr_grid": 0}, "lr_grid must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"operators": " , "}, "at least one operator"),
        ({"predict": "chance"}, "did you mean 'change'"),
        ({"device": "toaster"}, "device 'toaster' cannot be used"),
    ],
)
def test_values_out_of_range_are_refused_when_the_request_is_made(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    values: dict[str, object] = {
        "data": "acoustics",
        "operators": "FNO, waveliT",
        "budget": "steps=1",
        "match": "native",
        "out": tmp_path,
    }
    assert compare_request(**values).operators == ("FNO", "waveliT")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=message):
        compare_request(**{**values, **changes})  # type: ignore[arg-type]


def test_an_unknown_operator_ends_in_one_line_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["compare", "--data", "acoustics", "--operators", "wavelitt", "--out", str(out)]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown operator 'wavelitt'; did you mean 'waveliT'" in line
    assert not out.exists()


def test_the_table_marks_the_best_the_edge_and_what_diverged() -> None:
    plan = {"budget": {"steps": 10}, "batch_size": 8, "data": {"name": "waves"}}
    rows = [row("good", 0.1), row("worse", 0.2, edge=True), row("gone", None)]
    table = rows_table(plan, rows)
    assert table.title == "waves: 10 steps of batch 8, 2 seeds"
    good, worse, gone = table.rows
    assert good[4] == "0.100 ± 0.010"
    assert (good[2], worse[2]) == ("0.002", "0.002*")
    assert gone.count("diverged") == 2
    assert table.columns[-1] == "steps 1-10"
    assert table.best == {(0, 4), (0, 5)}


def shown(*states: Progress, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with plan_display(console) as watcher:
        for state in states:
            watcher.runs(state)
        watcher.warn("left out X: [reason]")
    return out.getvalue()


def test_a_log_gets_one_line_a_run() -> None:
    steps = [replace(STATE, share=n / 10, loss=0.1 * n) for n in range(10)]
    lines = shown(*steps, replace(STATE, done=2, what="FNO, seed 1"), terminal=False).splitlines()
    assert lines == [
        "run 2/4: FNO, seed 0, about 10 min left",
        "run 3/4: FNO, seed 1, about 10 min left",
        "wavelit: left out X: [reason]",
    ]


def test_a_terminal_gets_one_bar_with_the_time_left() -> None:
    last = shown(STATE, terminal=True).rpartition("run 2/4")[2]
    assert "FNO, seed 0, loss 0.25, about 10 min left" in last


def test_help_names_every_way_to_ask(wavelit: Callable[..., CompletedProcess[str]]) -> None:
    done = wavelit("compare", "--help")
    assert done.returncode == 0
    for word in ("--data", "--operators", "steps=N or seconds=S", "--lr-grid", "--skip-missing"):
        assert word in done.stdout
