"""Which trainings a transfer matrix consists of, and which cells each of them fills. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wavelit_plugin.compare.transfer.request import (
    BESPOKE,
    BESPOKE_TUNED,
    FLOWS,
    JOINT,
    JOINT_TUNED,
    LEFT_OUT,
    LEFT_OUT_TUNED,
    WAVES,
    TransferRequest,
)


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One training.

    Attributes:
        name: which also names its file.
        data_sets: that it is trained on.
        source: the lesson that it goes on from; None for one from scratch.
    """

    name: str
    data_sets: tuple[str, ...]
    source: Lesson | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the matrix to be.

    Attributes:
        data_set: the row, what is predicted.
        column: see COLUMNS.
        lesson: whose model predicts; None where nothing is trained.
    """

    data_set: str
    column: str
    lesson: Lesson | None


def cells(request: TransferRequest, names: Sequence[str]) -> tuple[Cell, ...]:
    """Return all cells, column by column.

    Args:
        request: the columns, and the names of waves and flows.
        names: of all data sets.
    """
    return tuple(
        Cell(data_set=name, column=column, lesson=_lesson(request, column, name, names))
        for column in request.wanted()
        for name in names
    )


def lessons(found: Sequence[Cell]) -> tuple[Lesson, ...]:
    """Return the trainings that these cells need, each once, sources before what goes on."""
    chains = (chain for cell in found if cell.lesson for chain in _chain(cell.lesson))
    return tuple({lesson.name: lesson for lesson in chains}.values())


def _chain(lesson: Lesson) -> Iterator[Lesson]:
    if lesson.source is not None:
        yield from _chain(lesson.source)
    yield lesson


def _lesson(
    request: TransferRequest, column: str, name: str, names: Sequence[str]
) -> Lesson | None:
    others = tuple(other for other in names if other != name)
    alone = Lesson(name=f"bespoke-{name}", data_sets=(name,))
    whole = Lesson(name="joint", data_sets=tuple(names))
    without = Lesson(name=f"without-{name}", data_sets=others)
    sources = {
        BESPOKE_TUNED: alone,
        JOINT_TUNED: whole,
        LEFT_OUT_TUNED: without,
        WAVES: Lesson(name="waves", data_sets=request.waves),
        FLOWS: Lesson(name="flows", data_sets=request.flows),
    }
    if column in sources:
        source = sources[column]
        return Lesson(name=f"{source.name}-then-{name}", data_sets=(name,), source=source)
    return {BESPOKE: alone, JOINT: whole, LEFT_OUT: without}.get(column)
