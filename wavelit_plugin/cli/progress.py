"""Progress of a long command on standard error: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from wavelit_plugin.compare.comparison import Progress as PlanProgress
    from wavelit_plugin.compare.comparison import Watcher

_LINES = 4  # that a task may write to a log


class ProgressBars:
    """One bar for each thing that is being done, made when it is first heard of.

    Call it with ``(done, total, what)`` or ``(done, total, what, note)``.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, done: int, total: int, what: str, note: str = "") -> None:
        """Show that ``done`` of ``total`` parts of ``what`` are done."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, note=note)
        self._progress.update(self._tasks[what], completed=done, note=note)
        if not self._progress.console.is_terminal and done % max(total // _LINES, 1) == 0:
            self._progress.console.print(f"{what}: {done}/{total} {note}".rstrip())


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[ProgressBars]:
    """Show progress, with the time left, while the block runs; by default on standard error."""
    console = console or Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        yield ProgressBars(progress)


class PlanBar:
    """One bar for a whole plan of runs, with the time left; in a log, one line a run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._what = ""

    def __call__(self, state: PlanProgress) -> None:
        """Show where the plan stands."""
        loss = "" if state.loss is None else f", loss {state.loss:.3g}"
        left = "" if state.seconds_left is None else f", about {_duration(state.seconds_left)} left"
        if self._task is None:
            self._task = self._progress.add_task("runs", total=state.total, note="")
        self._progress.update(
            self._task,
            completed=state.done + state.share,
            total=state.total,
            description=f"run {min(state.done + 1, state.total)}/{state.total}",
            note=f"{state.what}{loss}{left}",
        )
        if not self._progress.console.is_terminal and state.what != self._what:
            line = f"run {state.done + 1}/{state.total}: {state.what}{left}"
            self._progress.console.print(line, soft_wrap=True)
        self._what = state.what

    def warn(self, line: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(f"wavelit: {line}", markup=False, soft_wrap=True)


@contextmanager
def plan_display(console: Console | None = None) -> Iterator[Watcher]:
    """Show a comparison while the block runs: the making of data, then one bar for all runs."""
    from wavelit_plugin.compare.comparison import Watcher

    console = console or Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        bar = PlanBar(progress)
        yield Watcher(data=ProgressBars(progress), runs=bar, warn=bar.warn)


def _duration(seconds: float) -> str:
    """Return hours, minutes or seconds in words.

    >>> _duration(45), _duration(600), _duration(9000)
    ('45 s', '10 min', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
