"""Progress of a long command on standard error: bars on a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
