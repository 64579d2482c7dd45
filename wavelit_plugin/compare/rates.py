"""The learning rates that are tried: a grid to begin with, and what lies beyond it."""

from __future__ import annotations

from collections.abc import Sequence

FURTHER = 4
"""Rates beyond the grid that an operator may have: 16 times its end, where rates double."""


def grid(rates: Sequence[float], count: int) -> tuple[float, ...]:
    """Return ``count`` rates about the middle; beyond both ends the grid goes on evenly.

    >>> grid((1.0, 2.0, 4.0), 1)
    (2.0,)
    >>> grid((1.0, 2.0, 4.0), 5)
    (0.5, 1.0, 2.0, 4.0, 8.0)
    """
    found = list(rates)
    while len(found) < count:
        above = _above(found)
        # above first, so that an even number leans to the middle of an odd grid
        found = [*found, above] if len(found) + 1 == count else [_below(found), *found, above]
    start = (len(found) - count) // 2
    return tuple(found[start : start + count])


def middle_first(rates: Sequence[float]) -> tuple[float, ...]:
    """Return the rates with the likeliest, the middle one, first.

    >>> middle_first((1.0, 2.0, 4.0))
    (2.0, 1.0, 4.0)
    """
    middle = (len(rates) - 1) / 2
    return tuple(sorted(rates, key=lambda rate: abs(list(rates).index(rate) - middle)))


def beyond(rates: Sequence[float], best: float) -> float | None:
    """Return the rate to try next if the best of two or more is at an edge; None if it is not.

    >>> beyond((1.0, 2.0, 4.0), 4.0)
    8.0
    >>> beyond((1.0, 2.0, 4.0), 2.0)
    """
    ordered = sorted(rates)
    if best == ordered[-1]:
        return _above(ordered)
    return _below(ordered) if best == ordered[0] else None


def _above(rates: Sequence[float]) -> float:
    return _rounded(rates[-1] * (rates[-1] / rates[-2]))


def _below(rates: Sequence[float]) -> float:
    return _rounded(rates[0] / (rates[1] / rates[0]))


def _rounded(rate: float) -> float:
    return float(f"{rate:.3g}")
