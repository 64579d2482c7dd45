"""Progress: a bar with the time left on a terminal, few lines in a log."""

import io

from rich.console import Console

from wavelit_plugin.cli.progress import progress_bars


def shown(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
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


def test_a_terminal_gets_a_bar_with_the_time_left_and_the_last_note() -> None:
    last = shown(terminal=True).rpartition("training")[2].partition("\n")[0]
    assert "400/400" in last
    assert "left 0:00:00" in last
    assert "loss 0.003" in last
