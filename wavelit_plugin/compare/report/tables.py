"""The numbers behind the pictures: tables for the page, and one with every digit for a file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from wavelit_plugin.compare.report.measures import rollout_window, spoken
from wavelit_plugin.compare.report.numbers import (
    MISSING,
    bytes_text,
    count_text,
    error_text,
    estimate_text,
    rate_text,
    seconds_text,
)
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.runs import Estimate, Row


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of a table, as it is read.

    Attributes:
        text: what stands there.
        best: whether nothing in the column is better, ties included.
        note: a word beside it.
    """

    text: str
    best: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with an operator a line.

    Attributes:
        title: what it holds.
        heads: of the columns after the name.
        lines: label of the operator and its cells.
        caption: what a reader needs to know.
        folded: whether it is shown on demand only.
    """

    title: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Cell, ...]], ...]
    caption: str = ""
    folded: bool = False


def ranking_table(scene: Scene) -> Table:
    """Return errors with intervals, best first; everyone who ties with the best is marked."""
    best = [{row.label for row in ranking.best} for ranking in scene.rankings]
    windows = _windows(scene)
    lines = []
    for row in scene.order:
        errors = [
            Cell(text=estimate_text(ranking.measure.of(row)), best=row.label in leaders)
            for ranking, leaders in zip(scene.rankings, best, strict=True)
        ]
        more = [Cell(text=estimate_text(row.windows.get(name))) for name in windows]
        size = count_text(row.parameters) if row.parameters else MISSING
        lines.append((row.label, (*errors, *more, Cell(text=size), _seeds(row))))
    measures = [ranking.measure for ranking in scene.rankings]
    heads = (*(f"{m.title}, {m.unit}" for m in measures), *(f"steps {spoken(w)}" for w in windows))
    return Table(
        title="Errors on test data",
        heads=(*heads, "parameters", "seeds"),
        lines=tuple(lines),
        caption="Mean and half the 95 % confidence interval over seeds; bold is best, ties "
        "included.",
    )


def field_table(scene: Scene) -> Table | None:
    """Return the error of each field, or None where there is one field only."""
    names = list(scene.rows[0].fields)
    if len(names) < 2:
        return None
    measure = scene.rankings[0].measure
    lines = [
        (row.label, tuple(Cell(text=estimate_text(row.fields.get(name))) for name in names))
        for row in scene.order
    ]
    return Table(
        title=f"{measure.title[0].upper()}{measure.title[1:]} of each field, VRMSE",
        heads=tuple(names),
        lines=tuple(lines),
        folded=True,
    )


def cost_table(scene: Scene) -> Table | None:
    """Return times, memory and arithmetic of what was trained; None where nothing was."""
    columns = [[_cost_values(row)[name] for row in scene.trained] for name in _COSTS]
    lines = []
    for place, row in enumerate(scene.trained):
        cells = [
            Cell(
                text=text(column[place]),
                best=better is not None and _is_best(column, place, better),
            )
            for column, (text, better) in zip(columns, _COSTS.values(), strict=True)
        ]
        lines.append((row.label, tuple(cells)))
    if not lines:
        return None
    return Table(
        title="Time, memory and arithmetic",
        heads=tuple(_COSTS),
        lines=tuple(lines),
        caption="Medians over the seeds. Peak memory is the temporary memory of one training step; "
        "FLOPs are those of one sample forward as torch counts them, which leaves FFTs out and so "
        "counts spectral operators too low. Throughput is samples a second forward. Bold is best.",
    )


def rate_table(scene: Scene) -> Table | None:
    """Return the validation error of every learning rate tried; None where there was no choice."""
    rows = [row for row in scene.trained if row.tried]
    most = max((len(row.tried) for row in rows), default=0)
    if not most:
        return None
    lines = []
    for row in rows:
        cells = [
            Cell(
                text=f"{rate_text(rate)}: {error_text(error)}",
                best=rate == row.learning_rate,
                note="edge" if rate == row.learning_rate and row.rate_at_edge else "",
            )
            for rate, error in row.tried
        ]
        lines.append((row.label, (*cells, *[Cell(text="")] * (most - len(cells)))))
    return Table(
        title="Learning rate: validation error (VRMSE) with seed 0",
        heads=tuple(f"rate {i + 1}" for i in range(most)),
        lines=tuple(lines),
        caption="Bold was chosen. Edge: the best is the smallest or largest of those tried, so a "
        "better one may lie outside.",
        folded=True,
    )


def csv_text(scene: Scene) -> str:
    """Return every number of the rows as CSV, best operator first; what is missing is empty."""
    written = StringIO()
    plain = [as_plain(row) for row in scene.order]
    names = list(dict.fromkeys(name for row in plain for name in row))
    writer = csv.DictWriter(written, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "tried": _tried(row["tried"])} for row in plain)
    return written.getvalue()


def as_plain(row: Row) -> dict[str, Any]:
    """Return a row in plain types, one level deep but for the learning rates tried."""
    errors: dict[str, Estimate | None] = {
        "one_step": row.one_step,
        "relative_l2": row.relative_l2,
        **{f"field {name}": estimate for name, estimate in row.fields.items()},
        **{f"rollout {name}": estimate for name, estimate in row.windows.items()},
    }
    facts = (
        "label", "operator", "criterion", "width", "parameters", "learning_rate", "rate_at_edge",
        "tried", "seeds", "diverged", "steps", "training_seconds", "step_seconds",
        "inference_seconds", "peak_bytes", "flops",
    )  # fmt: skip
    plain: dict[str, Any] = {name: getattr(row, name) for name in facts}
    for name, estimate in errors.items():
        plain[name] = None if estimate is None else estimate.mean
        plain[f"{name} ±"] = None if estimate is None else estimate.half
    return plain


def _windows(scene: Scene) -> list[str]:
    """The windows that the ranking does not show."""
    shown = rollout_window(scene.rows)
    names = dict.fromkeys(name for row in scene.rows for name in row.windows)
    return [name for name in names if name != shown]


def _seeds(row: Row) -> Cell:
    note = f"{row.diverged} diverged" if row.diverged else ""
    return Cell(text=str(row.seeds) if row.trained else MISSING, note=note)


def _steps_text(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


_COSTS: Mapping[str, tuple[Callable[[float | None], str], Callable[..., float] | None]] = {
    "width": (_steps_text, None),
    "steps": (_steps_text, None),
    "training time": (seconds_text, None),
    "training step": (seconds_text, min),
    "inference a sample": (seconds_text, min),
    "throughput /s": (count_text, max),
    "peak memory": (bytes_text, min),
    "FLOPs forward": (count_text, min),
}
"""How each cost is written, and which is best; None where more or less is not better."""


def _cost_values(row: Row) -> dict[str, float | None]:
    throughput = 1 / row.inference_seconds if row.inference_seconds > 0 else None
    values = (
        row.width, row.steps, row.training_seconds, row.step_seconds, row.inference_seconds,
        throughput, row.peak_bytes, row.flops,
    )  # fmt: skip
    return dict(zip(_COSTS, values, strict=True))


def _is_best(column: Sequence[float | None], place: int, better: Callable[..., float]) -> bool:
    known = [value for value in column if value is not None]
    return len(known) > 1 and column[place] == better(known)


def _tried(tried: Sequence[tuple[float, float | None]]) -> str:
    return "; ".join(f"{rate:g}: {error_text(error)}" for rate, error in tried)
