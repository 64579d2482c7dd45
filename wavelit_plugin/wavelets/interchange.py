"""Conversion to and from the coefficient layout of pytorch_wavelets, in one and two dimensions.

Its ``DWTForward`` returns ``(yl, yh)``: the approximation, and a list of details, finest first;
in 2-D each is (batch, channel, 3, h, w), in 1-D (batch, channel, n). Its three orientations are
named by (row filter, column filter), so its first is high along the last axis but one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.shapes import check_tensor, per_axis
from wavelit_plugin.wavelets.coefficients import WaveletCoefficients, check_coefficients

# position in our binary count of each of its orientations; its own inverse
_ORIENTATION_2D = [1, 0, 2]


def to_pytorch_wavelets(coefficients: WaveletCoefficients) -> tuple[Tensor, list[Tensor]]:
    """Return ``(yl, yh)`` as ``pytorch_wavelets.DWTForward`` or ``DWT1DForward`` would.

    Raises:
        ShapeError: three space axes, which pytorch_wavelets does not have, or as ``idwt``.
        ConfigError: as ``idwt``.
    """
    check_coefficients(coefficients)
    ndim = _check_ndim(coefficients.approximation)
    return coefficients.approximation, [_reorder(detail, ndim) for detail in coefficients.details]


def from_pytorch_wavelets(
    yl: Tensor,
    yh: Sequence[Tensor],
    *,
    wavelet: str,
    boundary: str | Sequence[str] = "periodic",
    shape: tuple[int, ...] | None = None,
) -> WaveletCoefficients:
    """Return the coefficients that pytorch_wavelets has in ``(yl, yh)``.

    Args:
        yl: the approximation.
        yh: the details, finest first.
        wavelet: what they were made with; the coefficients do not say.
        boundary: as for ``dwt``; its mode ``periodization`` is ``"periodic"``.
        shape: the field's space sizes, if it was padded.

    Raises:
        ShapeError: three space axes, which pytorch_wavelets does not have, or bands that do not
            belong together or to ``shape``.
        ConfigError: an unknown or unsuitable wavelet or boundary.
    """
    check_tensor(yl, name="yl")
    ndim = _check_ndim(yl)
    if not isinstance(yh, list | tuple):
        raise ShapeError(f"yh must be a list of details, finest first, got {type(yh).__name__}")
    details = tuple(_from_theirs(detail, ndim) for detail in yh)
    full = tuple(size * 2 ** len(details) for size in yl.shape[2:])
    found = WaveletCoefficients(
        yl, details, full if shape is None else shape, wavelet, per_axis(boundary, ndim)
    )
    check_coefficients(found)
    return found


def _from_theirs(detail: Tensor, ndim: int) -> Tensor:
    check_tensor(detail, name="details in yh")
    axes, expected = (3, "(batch, channel, n)") if ndim == 1 else (5, "(batch, channel, 3, h, w)")
    if detail.ndim != axes or (ndim == 2 and detail.shape[2] != 3):
        raise ShapeError(
            f"details of {ndim} space axes must be {expected}, got shape {tuple(detail.shape)}; "
            "pass what pytorch_wavelets returned"
        )
    return detail.unsqueeze(2) if ndim == 1 else _reorder(detail, 2)


def _reorder(detail: Tensor, ndim: int) -> Tensor:
    if ndim == 1:
        return detail.squeeze(2)
    return detail.index_select(2, torch.tensor(_ORIENTATION_2D, device=detail.device))


def _check_ndim(approximation: Tensor) -> int:
    ndim = approximation.ndim - 2
    if ndim not in {1, 2}:
        raise ShapeError(
            f"pytorch_wavelets transforms 1 or 2 space axes, got {ndim}; keep the coefficients of "
            "dwt for 3-D"
        )
    return ndim
