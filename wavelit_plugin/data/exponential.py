"""Exponential time differencing of u' = linear u + N(u), where ``linear`` is diagonal.

ETDRK4 (Cox and Matthews 2002, doi:10.1006/jcph.2002.6995), of order four in the step, its
coefficients as means over a circle (Kassam and Trefethen 2005, doi:10.1137/S1064827502410633).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

CIRCLE_POINTS = 32
"""Points on the upper half of the circle; the error of the mean is below rounding in float64."""


class Coefficients(NamedTuple):
    """Factors of one step h, as ``linear``: e^(hL), e^(hL/2), and weights of N."""

    whole: Tensor
    half: Tensor
    stage: Tensor
    start: Tensor
    middle: Tensor
    end: Tensor


def coefficients(linear: Tensor, step: Tensor | float) -> Coefficients:
    """Return the factors of a step; ``step`` is broadcast against ``linear``.

    The weights are (e^z - 1) / z and the like at z = step * linear. Where z is small they cancel
    all digits, so each is taken as its mean over a circle of radius 1 around z, where it is
    analytic and has the same mean as value.
    """
    z = step * linear
    sums = [torch.zeros_like(z) for _ in range(4)]
    for point in range(CIRCLE_POINTS):
        angle = math.pi * (point + 0.5) / CIRCLE_POINTS
        r = z + complex(math.cos(angle), math.sin(angle))
        e = torch.exp(r)
        weights = (
            (torch.exp(r / 2) - 1) / r,
            (-4 - r + e * (4 - 3 * r + r**2)) / r**3,
            (2 + r + e * (r - 2)) / r**3,
            (-4 - 3 * r - r**2 + e * (4 - r)) / r**3,
        )
        for total, weight in zip(sums, weights, strict=True):
            # the lower half of the circle adds the conjugates
            total.add_(weight.real)
    stage, start, middle, end = (step * total / CIRCLE_POINTS for total in sums)
    return Coefficients(torch.exp(z), torch.exp(z / 2), stage, start, middle, end)


def advanced(
    u: Tensor, factors: Coefficients, slope_of: Callable[[Tensor], Tensor], *, steps: int
) -> Tensor:
    """Return the state after ``steps`` steps; ``slope_of`` is N."""
    whole, half, stage, start, middle, end = factors
    for _ in range(steps):
        slope = slope_of(u)
        a = half * u + stage * slope
        slope_a = slope_of(a)
        b = half * u + stage * slope_a
        slope_b = slope_of(b)
        c = half * a + stage * (2 * slope_b - slope)
        slope_c = slope_of(c)
        u = whole * u + start * slope + 2 * middle * (slope_a + slope_b) + end * slope_c
    return u
