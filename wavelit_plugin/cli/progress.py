"""Progress of a long command on standard error: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

if TYPE_CHECKING:
    from wavelit_plugin.compare.comparison import Progress as PlanProgress
    from wavelit_plugin.compare.comparison import Watcher

_LINES = 4  # that a task may write to a log
_ROOM = 72  # columns that a bar needs with words beside it
_BAR = 20


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
            _log(self._progress, f"{what}: {done}/{total} {note}".rstrip())


@contextmanager
def progress_bars(console: Console | None = None) -> Iterator[ProgressBars]:
    """Show progress, with the time left, while the block runs; by default on standard error."""
    what, note = _words("{task.description}"), _words("{task.fields[note]}")
    words = _words("{task.description} {task.completed:.0f}/{task.total:.0f} {task.fields[note]}")
    left = (_words("left"), TimeRemainingColumn())
    bar = (BarColumn(_BAR), MofNCompleteColumn(), TimeElapsedColumn())
    progress = _progress(console, wide=(what, *bar, *left, note), narrow=(words, *left))
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
            _log(self._progress, f"run {state.done + 1}/{state.total}: {state.what}{left}")
        self._what = state.what

    def warn(self, line: str) -> None:
        """Write a line above the bar."""
        _log(self._progress, f"wavelit: {line}")


@contextmanager
def plan_display(console: Console | None = None) -> Iterator[Watcher]:
    """Show a comparison while the block runs: the making of data, then one bar for all runs."""
    from wavelit_plugin.compare.comparison import Watcher

    what, note = _words("{task.description}"), _words("{task.fields[note]}")
    progress = _progress(
        console, wide=(what, BarColumn(_BAR), TimeElapsedColumn(), note), narrow=(what, note)
    )
    with progress:
        bar = PlanBar(progress)
        yield Watcher(data=ProgressBars(progress), runs=bar, warn=bar.warn)


def _progress(
    console: Console | None, *, wide: Sequence[ProgressColumn], narrow: Sequence[ProgressColumn]
) -> Progress:
    # names of folders and operators may look like rich's own marks
    console = console or Console(stderr=True, markup=False, emoji=False, highlight=False)
    columns = wide if console.width >= _ROOM else narrow
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _words(text: str) -> TextColumn:
    """Return a column of words that go on in the next line where there is no room."""
    return TextColumn(text, markup=False, table_column=Column(no_wrap=False))


def _log(progress: Progress, line: str) -> None:
    progress.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    """Return hours, minutes or seconds in words.

    >>> _duration(45), _duration(600), _duration(9000)
    ('45 s', '10 min', '2 h 30 min')
    """
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
