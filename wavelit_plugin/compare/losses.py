"""The losses of a training: how often they are looked at, and what is kept of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import torch

CURVE_POINTS = 100

# steps between two looks at the loss of a GPU: each look waits for it
_BLOCK = {"cpu": 1}
_DEFAULT_BLOCK = 10


def steps_between_looks(device: torch.device) -> int:
    """Return after how many steps the losses of a device are looked at."""
    return _BLOCK.get(device.type, _DEFAULT_BLOCK)


def until_not_finite(losses: Sequence[float]) -> list[float]:
    """Return the losses up to and with the first that is not finite.

    >>> until_not_finite([1.0, float("nan"), 2.0])
    [1.0, nan]
    """
    for number, value in enumerate(losses, start=1):
        if not math.isfinite(value):
            return list(losses[:number])
    return list(losses)


def thinned(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Return at most CURVE_POINTS points (step, mean of the losses since the point before).

    >>> thinned([4.0, 2.0])
    ((1, 4.0), (2, 2.0))
    """
    each = max(1, math.ceil(len(losses) / CURVE_POINTS))
    parts = [(start, losses[start : start + each]) for start in range(0, len(losses), each)]
    means = [(start + len(part), statistics.fmean(part)) for start, part in parts]
    return tuple((step, mean) for step, mean in means if math.isfinite(mean))
