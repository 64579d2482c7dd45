"""The transfer matrix: a row a data set, a column a way to a model, means over the seeds."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.runs import Estimate, estimate
from wavelit_plugin.compare.transfer.request import BESPOKE, COLUMNS
from wavelit_plugin.files import write_file, write_json

JSON, CSV = "transfer.json", "transfer.csv"

WINDOW = 10
"""Roll-out steps that errors are averaged over, or fewer where a data set has fewer."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the matrix, of one seed.

    Attributes:
        data_set: that was predicted.
        column: of the matrix.
        seed: of the training.
        own_steps: steps on this data set, in all trainings that led to the model.
        other_steps: steps on other data sets.
        one_step: VRMSE, mean over samples and fields; None where it is not finite or not known.
        rollout: VRMSE of each roll-out step, mean over trajectories and fields.
        note: why there is no number; empty where there is.
    """

    data_set: str
    column: str
    seed: int
    own_steps: int = 0
    other_steps: int = 0
    one_step: float | None = None
    rollout: tuple[float | None, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One cell over all seeds.

    Attributes:
        data_set: its row.
        column: its column.
        one_step: VRMSE; None where it is not known for every seed.
        rollout: VRMSE, mean over the steps of the matrix's window.
        one_step_ratio, rollout_ratio: the means over those of the bespoke model.
        own_steps: of training on this data set, mean over the seeds.
        other_steps: of training on other data sets.
        note: why there is no number; empty where there is.
    """

    data_set: str
    column: str
    one_step: Estimate | None
    rollout: Estimate | None
    one_step_ratio: float | None
    rollout_ratio: float | None
    own_steps: float
    other_steps: float
    note: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """All that is known.

    Attributes:
        plan: the folder's plan.
        data_sets: rows, in order.
        columns: in order.
        window: first and last step of the roll-outs that are averaged over.
        entries: row by row.
    """

    plan: Mapping[str, Any]
    data_sets: tuple[str, ...]
    columns: tuple[str, ...]
    window: tuple[int, int]
    entries: tuple[Entry, ...]

    def entry(self, data_set: str, column: str) -> Entry | None:
        """Return a cell, or None where it has not been measured."""
        for entry in self.entries:
            if (entry.data_set, entry.column) == (data_set, column):
                return entry
        return None

    def as_plain(self) -> dict[str, Any]:
        """Return plain types."""
        return {
            "plan": dict(self.plan),
            "columns": {name: COLUMNS[name] for name in self.columns},
            "rollout_steps": list(self.window),
            "entries": [asdict(entry) for entry in self.entries],
        }


def matrix_of(plan: Mapping[str, Any], lines: Sequence[Cell]) -> Matrix:
    """Return the matrix of the cells that are done."""
    present = {line.column for line in lines}
    columns = tuple(name for name in COLUMNS if name in present)
    rows = tuple(name for name in plan["data"] if any(line.data_set == name for line in lines))
    last = min([WINDOW, *(len(line.rollout) for line in lines if line.rollout)])
    groups = {
        (row, column): tuple(x for x in lines if (x.data_set, x.column) == (row, column))
        for row in rows
        for column in columns
    }
    return Matrix(
        plan=plan,
        data_sets=rows,
        columns=columns,
        window=(1, last),
        entries=tuple(
            _entry(group, groups.get((row, BESPOKE), ()), last)
            for (row, _), group in groups.items()
            if group
        ),
    )


def write_matrix(matrix: Matrix, folder: Path) -> tuple[Path, ...]:
    """Write JSON and CSV, each whole or not at all; return where."""
    write_json(folder / JSON, matrix.as_plain())
    return folder / JSON, write_file(folder / CSV, _as_csv(matrix))


def _entry(lines: Sequence[Cell], bespoke: Sequence[Cell], last: int) -> Entry:
    one, rolled = _one_step(lines), _rollout(lines, last)
    return Entry(
        data_set=lines[0].data_set,
        column=lines[0].column,
        one_step=one,
        rollout=rolled,
        one_step_ratio=_ratio(one, _one_step(bespoke)),
        rollout_ratio=_ratio(rolled, _rollout(bespoke, last)),
        own_steps=statistics.fmean(line.own_steps for line in lines),
        other_steps=statistics.fmean(line.other_steps for line in lines),
        note="; ".join(dict.fromkeys(line.note for line in lines if line.note)),
    )


def _one_step(lines: Sequence[Cell]) -> Estimate | None:
    return estimate([line.one_step for line in lines])


def _rollout(lines: Sequence[Cell], last: int) -> Estimate | None:
    return estimate([_mean(line.rollout[:last]) for line in lines])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def _ratio(value: Estimate | None, bespoke: Estimate | None) -> float | None:
    if value is None or bespoke is None or bespoke.mean == 0:
        return None
    return value.mean / bespoke.mean


def _as_csv(matrix: Matrix) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    window = "{}-{}".format(*matrix.window)
    errors = [
        f"{name}{part}"
        for name in ("one_step", f"rollout_{window}")
        for part in ("", "_half_95", "_over_bespoke")
    ]
    writer.writerow(["data_set", "column", "seeds", *errors, "own_steps", "other_steps", "note"])
    writer.writerows(_csv_row(entry) for entry in matrix.entries)
    return text.getvalue()


def _csv_row(entry: Entry) -> Iterator[object]:
    known = entry.one_step or entry.rollout
    yield from (entry.data_set, entry.column, 0 if known is None else len(known.values))
    pairs = ((entry.one_step, entry.one_step_ratio), (entry.rollout, entry.rollout_ratio))
    for value, ratio in pairs:
        yield from (None, None) if value is None else (value.mean, value.half)
        yield ratio
    yield from (entry.own_steps, entry.other_steps, entry.note)
