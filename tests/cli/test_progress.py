"""Progress: a bar with the time left on a terminal, few lines in a log."""

import io
import re

import pytest
from rich.console import Console

from wavelit_plugin.cli.progress import plan_display, progress_bars
from wavelit_plugin.compare.comparison import Progress


def shown(*, terminal: bool, width: int = 120) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None)
    with progress_bars(console) as watch:
        for step in range(1, 401):
            watch(step, 400, "training", f"loss {1 / step:.3f}")
        watch(1, 2, "writing")
    return out.getvalue()


def test_a_log_gets_four_lines_for_each_task_at_most() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "training: 100/400 loss 0.010"
    assert lines[3] == "training: 400/400 loss 0.003"
    assert lines[4] == "writing: 1/2"
    assert len(lines) == 5


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_gets_the_time_left_and_the_last_note(width: int) -> None:
    last = shown(terminal=True, width=width).rpartition("training")[2].partition("writing")[0]
    words = " ".join(last.split())
    assert "400/400" in words
    assert "left 0:00:00" in words
    assert re.search(r"loss\s+0\.003", last)
    assert "\N{HORIZONTAL ELLIPSIS}" not in last


def test_a_wide_one_gets_a_bar() -> None:
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in shown(terminal=True, width=80)


@pytest.mark.parametrize("terminal", [True, False])
def test_names_that_look_like_marks_are_shown_as_they_are(
    *, terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    state = Progress(done=0, total=1, share=0.5, what="[/red]:star:", loss=0.5, seconds_left=None)
    with plan_display() as watcher:
        watcher.data(1, 1, "making [bold]waves:sun:", "[/]")  # type: ignore[call-arg]
        watcher.runs(state)
        watcher.warn("left out [/x]:moon:")
    told = capsys.readouterr().err
    for word in ("[/red]:star:", "making [bold]waves:sun:", "[/x]:moon:"):
        assert word in told
