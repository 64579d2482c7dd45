"""From the scores of trajectories to the table: windows, fields, mean and median."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.compare.evaluation.bands import BANDS
from wavelit_plugin.compare.evaluation.scores import Scores
from wavelit_plugin.files import finite

WINDOWS = ((1, 5), (6, 12), (13, 30), (21, 60))
"""Roll-out steps, first and last, both included, that errors are averaged over."""

ALL = "all"
"""Stands for the mean over the fields."""

ONE_STEP = "one-step"
VRMSE = "vrmse"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One error, over the trajectories; None where it is not finite.

    Attributes:
        predictor: who.
        measure: ``vrmse``, or ``low``, ``middle`` or ``high``: the relative error of that band.
        window: ``one-step`` or roll-out steps such as ``6:12``.
        field: its name, or ``all``: the mean over the fields.
        mean, median: over the trajectories.
        trajectories: their number.
        diverged: how many of them have no finite error.
    """

    predictor: str
    measure: str
    window: str
    field: str
    mean: float | None
    median: float | None
    trajectories: int
    diverged: int


def windows_of(steps: int) -> tuple[tuple[int, int], ...]:
    """Return the windows that fit into so many steps, and all steps.

    >>> windows_of(12)
    ((1, 5), (6, 12), (1, 12))
    """
    fitting = tuple(window for window in WINDOWS if window[1] <= steps)
    return fitting if (1, steps) in fitting else (*fitting, (1, steps))


def rows(found: Sequence[Mapping[str, Scores]], fields: Sequence[str]) -> tuple[Row, ...]:
    """Return the table.

    Args:
        found: the scores of each predictor, one mapping a trajectory.
        fields: names, in order.
    """
    return tuple(
        _row((predictor, measure, window, field), errors)
        for predictor in found[0]
        for measure, window, table in _tables([one[predictor] for one in found])
        for field, errors in _by_field(table, fields)
    )


def find(table: Sequence[Row], predictor: str, window: str, *, field: str = ALL) -> Row:
    """Return the row of the VRMSE."""
    wanted = (predictor, VRMSE, window, field)
    return next(r for r in table if (r.predictor, r.measure, r.window, r.field) == wanted)


def csv_text(table: Sequence[Row]) -> str:
    """Return the table with a header; an empty place is an error that is not finite."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in table)
    return text.getvalue()


def as_plain(table: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the table in plain types, for JSON."""
    return [asdict(row) for row in table]


def growth(found: Sequence[Scores]) -> tuple[float | None, ...]:
    """Return the VRMSE of each roll-out step, mean over trajectories and fields."""
    means = torch.stack([one.rollout for one in found]).double().mean(dim=(0, 2))
    return tuple(finite(mean) for mean in means)


def _tables(found: Sequence[Scores]) -> Iterator[tuple[str, str, Tensor]]:
    """Yield measure, window and errors (trajectory, field)."""
    # in float64: means of many numbers keep their digits, and CSV and JSON show the same
    one_step = torch.stack([one.one_step for one in found]).double()
    rolled = torch.stack([one.rollout for one in found]).double()
    one_step_bands = torch.stack([one.one_step_bands for one in found]).double()
    rolled_bands = torch.stack([one.rollout_bands for one in found]).double()
    windows = windows_of(rolled.shape[1])
    yield VRMSE, ONE_STEP, one_step
    for first, last in windows:
        yield VRMSE, f"{first}:{last}", rolled[:, first - 1 : last].mean(dim=1)
    for number, band in enumerate(BANDS):
        yield band, ONE_STEP, one_step_bands[..., number]
        for first, last in windows:
            part = rolled_bands[:, first - 1 : last, :, number]
            yield band, f"{first}:{last}", part.mean(dim=1)


def _by_field(table: Tensor, fields: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    yield ALL, table.mean(dim=1)
    yield from zip(fields, table.unbind(1), strict=True)


def _row(names: tuple[str, str, str, str], errors: Tensor) -> Row:
    predictor, measure, window, field = names
    values = [value if math.isfinite(value) else math.inf for value in errors.tolist()]
    return Row(
        predictor=predictor,
        measure=measure,
        window=window,
        field=field,
        mean=finite(statistics.fmean(values)),
        median=finite(statistics.median(values)),
        trajectories=len(values),
        diverged=values.count(math.inf),
    )
