"""Student's t: how wide a 95 % confidence interval of a mean of few values is."""

from __future__ import annotations

import math
from functools import cache

from wavelit_plugin.errors import ConfigError

_TAIL = 0.025  # on each side


@cache
def student_t(freedom: int) -> float:
    """Return the 97.5 % point of Student's t for so many degrees of freedom.

    Raises:
        ConfigError: no degree of freedom.

    >>> round(student_t(2), 3)
    4.303
    """
    if freedom < 1:
        raise ConfigError(f"an interval needs at least 1 degree of freedom, got {freedom}")
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(middle, freedom) > _TAIL else (low, middle)
    return (low + high) / 2


def _tail(t: float, freedom: int) -> float:
    """Return P(T > t), by the finite series for whole numbers of degrees of freedom.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for power in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (power - 1) / power
        total += term
    inner = math.sin(angle) * total
    return (1 - (2 / math.pi * (angle + inner) if odd else inner)) / 2
