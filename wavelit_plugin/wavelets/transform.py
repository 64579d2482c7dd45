"""The n-dimensional discrete wavelet transform and its exact inverse."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.shapes import Field, check_field, check_int, per_axis
from wavelit_plugin.wavelets.coefficients import WaveletCoefficients, check_coefficients
from wavelit_plugin.wavelets.filters import HAAR, check_wavelet
from wavelit_plugin.wavelets.haar import haar_analysis, haar_synthesis
from wavelit_plugin.wavelets.padding import crop, pad_to_levels, padded_size
from wavelit_plugin.wavelets.periodized import periodized_analysis, periodized_synthesis

# padding may make 2**20 points of one: more would be a slip, and fill the memory
_MOST_PADDED = 20


def dwt(
    u: Field,
    *,
    wavelet: str = HAAR,
    levels: int = 1,
    boundary: str | Sequence[str] = "periodic",
) -> WaveletCoefficients:
    """Decompose a field with the orthonormal, separable Mallat transform.

    On sizes that are multiples of ``2**levels`` the result is critically sampled, keeps the
    energy and equals ``pywt.wavedecn(..., mode="periodization")``. Other sizes are extended
    first: circularly on periodic axes, by the last value elsewhere.

    Args:
        u: (batch, channel, *space) with 1-3 space axes, any floating dtype, any size of at least 1.
        wavelet: ``"haar"`` or any orthogonal PyWavelets name.
        levels: number of levels, at least 1.
        boundary: ``"periodic"``, ``"wall"`` or ``"open"``, one for all axes or one for each.
            Filters longer than Haar need periodic axes.

    Raises:
        ShapeError: no floating tensor, no or more than three space axes, an axis without points.
        ConfigError: an unknown or unsuitable wavelet, an unknown boundary, no level, or so many
            that a small field is padded to a huge one.

    Source: Mallat, A Wavelet Tour of Signal Processing (2009), chapter 7,
    doi:10.1016/B978-0-12-374370-1.X0001-8.

    >>> bands = dwt(torch.ones(1, 1, 4, 4))
    >>> bands.approximation.squeeze().tolist(), float(bands.details[0].abs().max())
    ([[2.0, 2.0], [2.0, 2.0]], 0.0)
    """
    check_field(u)
    check_int("levels", levels, 1)
    shape, ndim = tuple(u.shape[2:]), u.ndim - 2
    axes = per_axis(boundary, ndim)
    check_wavelet(wavelet, axes)
    _check_levels(levels, shape)
    approximation, details = pad_to_levels(u, levels, axes), []
    for _ in range(levels):
        approximation, detail = _analysis(approximation, ndim, wavelet)
        details.append(detail)
    return WaveletCoefficients(approximation, tuple(details), shape, wavelet, axes)


def idwt(coefficients: WaveletCoefficients) -> Field:
    """Rebuild the field of exactly the shape that ``dwt`` was given.

    Raises:
        ShapeError: no WaveletCoefficients, or bands that do not belong together.
        ConfigError: an unknown or unsuitable wavelet or boundary in coefficients made by hand.

    >>> u = torch.arange(10.0).reshape(1, 1, 10)
    >>> bool(torch.allclose(idwt(dwt(u, wavelet="db2", levels=2)), u, atol=1e-5))
    True
    """
    check_coefficients(coefficients)
    ndim = len(coefficients.shape)
    u = coefficients.approximation
    for detail in reversed(coefficients.details):
        u = _synthesis(u, detail, ndim, coefficients.wavelet)
    return crop(u, coefficients.shape)


def _analysis(u: Tensor, ndim: int, wavelet: str) -> tuple[Tensor, Tensor]:
    if wavelet == HAAR:
        return haar_analysis(u)
    coarse, *details = periodized_analysis(u, ndim, wavelet)
    return coarse, torch.stack(details, dim=2)


def _synthesis(coarse: Tensor, detail: Tensor, ndim: int, wavelet: str) -> Tensor:
    if wavelet == HAAR:
        return haar_synthesis(coarse, detail)
    return periodized_synthesis([coarse, *detail.unbind(2)], ndim, wavelet)


def _check_levels(levels: int, space: tuple[int, ...]) -> None:
    # the first says at once that the second need not be asked; no field has 2**40 points an axis
    if levels * len(space) <= _MOST_PADDED:
        return
    padded = [padded_size(size, min(levels, 40)) for size in space]
    if levels > 40 or math.prod(padded) > 2**_MOST_PADDED * math.prod(space):
        raise ConfigError(
            f"{levels} levels need 2**{levels} points an axis, and a field of sizes {space} would "
            "be padded to that; use fewer levels, so that 2**levels is about the size of an axis"
        )
