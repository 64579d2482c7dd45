"""The width of every operator: its own, that of a number of parameters, or of a step's time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wavelit_plugin.compare.matching import width_for
from wavelit_plugin.compare.request import REFERENCE, Match
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

Seconds = Callable[[OperatorRecord, int | None], float]
"""Time of a training step at a width."""

TOLERANCE = 0.25
"""How far a training step may be off, as a share of the reference's."""


def matched_width(
    record: OperatorRecord, task: GridTask, match: Match, seconds: Seconds
) -> int | None:
    """Return the width of an operator; None is its native size.

    Raises:
        ConfigError: no width comes near what is to be matched.
    """
    if not record.trains or match.kind == "native":
        return None
    if match.parameters is not None:
        return width_for(record, task, match.parameters)
    if record.name == REFERENCE:
        return None
    return width_of_time(record, task, seconds)


def reference_seconds(records: Sequence[OperatorRecord], seconds: Seconds) -> float:
    """Return the time of a training step of the reference at its native size."""
    (record,) = (record for record in records if record.name == REFERENCE)
    return seconds(record, None)


def width_of_time(record: OperatorRecord, task: GridTask, seconds: Seconds) -> int:
    """Return the width whose training step takes nearest to 1, in units of the reference's.

    It goes up from the smallest in growing strides, because a step of the largest may take hours.

    Raises:
        ConfigError: the size is fixed, or the nearest is off by more than TOLERANCE.
    """
    widths = tuple(record.widths(task))
    if not widths:
        raise ConfigError(
            f"{record.name} comes in one size, so its time cannot be matched; use --match native"
        )
    times: dict[int, float] = {}

    def time_at(index: int) -> float:
        if index not in times:
            times[index] = seconds(record, widths[index])
        return times[index]

    low, high = 0, 1
    while high < len(widths) - 1 and time_at(high) < 1:
        low, high = high, 2 * high
    high = min(high, len(widths) - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if time_at(middle) < 1 else (low, middle)
    nearest = min((low, high), key=lambda index: abs(time_at(index) - 1))
    if abs(time_at(nearest) - 1) > TOLERANCE:
        raise ConfigError(
            f"no width of {record.name} takes as long as {REFERENCE}: {widths[nearest]} takes "
            f"{time_at(nearest):.2f} times as long; use --match native"
        )
    return widths[nearest]
