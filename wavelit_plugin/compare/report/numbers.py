"""Numbers as a reader wants them: few digits, a unit, a word where there is no number."""

from __future__ import annotations

import math

from wavelit_plugin.compare.runs import Estimate

MISSING = "\N{EN DASH}"
DIVERGED = "diverged"

_LARGE = 1000.0
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def error_text(value: float | None) -> str:
    """Return an error with three significant digits.

    >>> error_text(0.03125), error_text(12.345), error_text(4e5), error_text(None)
    ('0.0312', '12.3', '> 1000', 'diverged')
    """
    if value is None or not math.isfinite(value):
        return DIVERGED
    if value > _LARGE:
        return f"> {_LARGE:.0f}"
    return _digits(value)


def estimate_text(estimate: Estimate | None) -> str:
    """Return mean and half interval, to two digits of the interval and three of the mean.

    >>> estimate_text(Estimate(mean=0.123456, half=0.0234, values=(0.1, 0.2)))
    '0.123 ± 0.023'
    >>> estimate_text(Estimate(mean=0.0316, half=0.0000234, values=(0.1, 0.2)))
    '0.0316 ± 0.0001'
    >>> estimate_text(Estimate(mean=0.123456, half=None, values=(0.1,)))
    '0.123'
    """
    if estimate is None or not estimate.half or estimate.mean > _LARGE:
        return error_text(None if estimate is None else estimate.mean)
    places = max(min(1 - _exponent(estimate.half), 2 - _exponent(estimate.mean)), 0)
    # up: an interval of no width would be a claim
    half = max(round(estimate.half, places), 10.0**-places)
    return f"{estimate.mean:.{places}f} ± {half:.{places}f}"


def count_text(value: float | None) -> str:
    """Return a number with a decimal prefix.

    >>> count_text(1193187), count_text(2e9), count_text(0), count_text(None)
    ('1.19 M', '2 G', '0', '–')
    """
    if value is None:
        return MISSING
    for size, prefix in _PREFIXES:
        if value >= 0.9995 * size:
            return f"{_digits(value / size)} {prefix}"
    return _digits(value)


def bytes_text(value: float | None) -> str:
    """Return bytes with a decimal prefix.

    >>> bytes_text(123456789)
    '123 MB'
    """
    text = count_text(value)
    return text if value is None else f"{text}B" if text[-1].isalpha() else f"{text} B"


def seconds_text(value: float | None) -> str:
    """Return a time in the unit that suits it.

    >>> [seconds_text(t) for t in (3.2e-5, 0.0042, 51.23, 620, 9000, None)]
    ['32 µs', '4.2 ms', '51.2 s', '10.3 min', '2.5 h', '–']
    """
    if value is None:
        return MISSING
    for least, unit, name in ((3600.0, 3600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s")):
        if value >= least:
            return f"{_digits(value / unit)} {name}"
    return f"{_digits(1e3 * value)} ms" if value >= 1e-3 else f"{_digits(1e6 * value)} µs"


def ratio_text(value: float) -> str:
    """Return how many times as large.

    >>> ratio_text(1.666), ratio_text(1.04), ratio_text(25.1)
    ('1.67', '1.04', '25.1')
    """
    return _digits(value)


def rate_text(value: float | None) -> str:
    """Return a learning rate.

    >>> rate_text(0.002), rate_text(5e-05), rate_text(None)
    ('0.002', '5e-05', '–')
    """
    return MISSING if value is None else f"{value:g}"


def _digits(value: float) -> str:
    """Three significant digits, no exponent, no trailing zeros after the point."""
    places = max(2 - _exponent(value), 0)
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
