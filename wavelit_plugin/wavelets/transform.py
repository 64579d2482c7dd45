"""The n-dimensional discrete wavelet transform and its exact inverse."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import Field, per_axis
from wavelit_plugin.wavelets.filters import HAAR, check_wavelet
from wavelit_plugin.wavelets.haar import haar_analysis, haar_synthesis
from wavelit_plugin.wavelets.padding import crop, pad_to_levels, padded_size
from wavelit_plugin.wavelets.periodized import periodized_analysis, periodized_synthesis
from wavelit_plugin.wavelets.pyramid import Pyramid


def dwt(
    u: Field,
    *,
    wavelet: str = HAAR,
    levels: int = 1,
    boundary: str | Sequence[str] = "periodic",
) -> Pyramid:
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
        ShapeError: the field has no or more than three space axes, or an axis without points.
        ConfigError: an unknown or unsuitable wavelet, an unknown boundary, no level.

    Source: Mallat, A Wavelet Tour of Signal Processing (2009), chapter 7,
    doi:10.1016/B978-0-12-374370-1.X0001-8.

    >>> bands = dwt(torch.ones(1, 1, 4, 4))
    >>> bands.approximation.squeeze().tolist(), float(bands.details[0].abs().max())
    ([[2.0, 2.0], [2.0, 2.0]], 0.0)
    """
    ndim = _check_input(u, levels)
    axes = per_axis(boundary, ndim)
    check_wavelet(wavelet, axes)
    shape = tuple(u.shape[2:])
    approximation, details = pad_to_levels(u, levels, axes), []
    for _ in range(levels):
        approximation, detail = _analysis(approximation, ndim, wavelet)
        details.append(detail)
    return Pyramid(approximation, tuple(details), shape)


def idwt(pyramid: Pyramid, *, wavelet: str = HAAR) -> Field:
    """Rebuild the field of exactly the shape that ``dwt`` was given.

    Args:
        pyramid: coefficients as ``dwt`` returns them.
        wavelet: the name that ``dwt`` was called with.

    Raises:
        ShapeError: the bands do not belong together, or to a field of ``pyramid.shape``.
        ConfigError: an unknown wavelet.

    >>> u = torch.arange(10.0).reshape(1, 1, 10)
    >>> bool(torch.allclose(idwt(dwt(u, levels=2)), u, atol=1e-5))
    True
    """
    check_wavelet(wavelet, ())
    ndim = pyramid.approximation.ndim - 2
    u = pyramid.approximation
    for detail in reversed(pyramid.details):
        _check_bands(u, detail, ndim)
        u = _synthesis(u, detail, ndim, wavelet)
    _check_crop(u, pyramid)
    return crop(u, pyramid.shape)


def _analysis(u: Tensor, ndim: int, wavelet: str) -> tuple[Tensor, Tensor]:
    if wavelet == HAAR:
        return haar_analysis(u)
    coarse, *details = periodized_analysis(u, ndim, wavelet)
    return coarse, torch.stack(details, dim=2)


def _synthesis(coarse: Tensor, detail: Tensor, ndim: int, wavelet: str) -> Tensor:
    if wavelet == HAAR:
        return haar_synthesis(coarse, detail)
    return periodized_synthesis([coarse, *detail.unbind(2)], ndim, wavelet)


def _check_input(u: Tensor, levels: int) -> int:
    ndim = u.ndim - 2
    if not 1 <= ndim <= 3 or 0 in u.shape[2:]:
        raise ShapeError(
            "the transform takes (batch, channel, *space) with 1-3 space axes of at least one "
            f"point, got shape {tuple(u.shape)}; add the missing axes"
        )
    if not u.is_floating_point():
        raise ShapeError(
            f"the transform takes a floating dtype, got {u.dtype}; call .float() first"
        )
    if levels < 1:
        raise ConfigError(f"levels must be at least 1, got {levels}")
    return ndim


def _check_bands(approximation: Tensor, detail: Tensor, ndim: int) -> None:
    expected = (*approximation.shape[:2], 2**ndim - 1, *approximation.shape[2:])
    if tuple(detail.shape) != expected:
        raise ShapeError(
            f"the detail bands that go with an approximation of shape {tuple(approximation.shape)} "
            f"must have shape {expected}, got {tuple(detail.shape)}; pass what dwt returned, "
            "finest level first"
        )


def _check_crop(u: Tensor, pyramid: Pyramid) -> None:
    padded = tuple(padded_size(size, pyramid.levels) for size in pyramid.shape)
    if padded != tuple(u.shape[2:]):
        raise ShapeError(
            f"{pyramid.levels} levels of these bands make a field of sizes {tuple(u.shape[2:])}, "
            f"which is not what a field of shape {pyramid.shape} is padded to, {padded}; pass the "
            "shape that dwt returned"
        )
