"""Fourier series on the periodic unit cube: wave numbers, dealiasing and change of resolution.

A spectrum is what ``rfftn`` over the last ndim axes gives with ``norm="forward"``: its entries are
the coefficients of the series, whatever the number of points. Point i of an axis with n points
lies at i / n.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def wave_numbers(points: int, *, ndim: int) -> tuple[Float[Tensor, " *axes"], ...]:
    """Return the waves per edge along every axis, each shaped to broadcast against a spectrum.

    >>> [k.tolist() for k in wave_numbers(4, ndim=1)]
    [[0.0, 1.0, 2.0]]
    """
    waves = [torch.fft.fftfreq(points, 1 / points, dtype=torch.float64) for _ in range(ndim - 1)]
    waves.append(torch.fft.rfftfreq(points, 1 / points, dtype=torch.float64))
    return tuple(
        k.view([-1 if other == axis else 1 for other in range(ndim)])
        for axis, k in enumerate(waves)
    )


def resolved(points: int, *, ndim: int) -> Bool[Tensor, " *waves"]:
    """Return which waves the 2/3 rule keeps: products of two of them alias onto none of them.

    >>> resolved(9, ndim=1).tolist()
    [True, True, True, False, False]
    """
    keep = torch.ones((1,) * ndim, dtype=torch.bool)
    for k in wave_numbers(points, ndim=ndim):
        keep = keep & (3 * k.abs() < points)
    return keep


def resample(spectrum: Tensor, size: int, *, ndim: int) -> Tensor:
    """Return a spectrum for an even number of points per axis, with fewer or more waves.

    Waves that the smaller of the two grids cannot tell apart, its Nyquist waves, are left out.
    """
    # 2 (m - 1) points is the even one of the two grids whose spectrum has m waves
    half = min(2 * (spectrum.shape[-1] - 1), size) // 2
    kept = spectrum.narrow(-1, 0, half)
    kept = torch.cat([kept, kept.new_zeros(*kept.shape[:-1], size // 2 + 1 - half)], dim=-1)
    for axis in range(spectrum.ndim - ndim, spectrum.ndim - 1):
        low = kept.narrow(axis, 0, half)
        high = kept.narrow(axis, kept.shape[axis] - half + 1, half - 1)
        gap = list(kept.shape)
        gap[axis] = size - 2 * half + 1
        kept = torch.cat([low, kept.new_zeros(gap), high], dim=axis)
    return kept
