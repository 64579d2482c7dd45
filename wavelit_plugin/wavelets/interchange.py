"""Conversion to and from the coefficient layout of pytorch_wavelets, in one and two dimensions.

Its ``DWTForward`` returns ``(yl, yh)``: the approximation, and a list of details, finest first;
in 2-D each is (batch, channel, 3, h, w), in 1-D (batch, channel, n). Its three orientations are
named by (row filter, column filter), so its first is high along the last axis but one.
"""

import torch
from torch import Tensor

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.wavelets.pyramid import Pyramid

# position in our binary count of each of its orientations; its own inverse
_ORIENTATION_2D = [1, 0, 2]


def to_pytorch_wavelets(pyramid: Pyramid) -> tuple[Tensor, list[Tensor]]:
    """Return ``(yl, yh)`` as ``pytorch_wavelets.DWTForward`` or ``DWT1DForward`` would.

    Raises:
        ShapeError: three space axes, which pytorch_wavelets does not have.
    """
    ndim = _check_ndim(pyramid.approximation)
    return pyramid.approximation, [_reorder(detail, ndim) for detail in pyramid.details]


def from_pytorch_wavelets(
    yl: Tensor, yh: list[Tensor], *, shape: tuple[int, ...] | None = None
) -> Pyramid:
    """Return the Pyramid of ``(yl, yh)``; ``shape`` is the field's, if it was padded.

    Raises:
        ShapeError: three space axes, which pytorch_wavelets does not have.
    """
    ndim = _check_ndim(yl)
    details = tuple(detail.unsqueeze(2) if ndim == 1 else _reorder(detail, 2) for detail in yh)
    full = tuple(size * 2 ** len(yh) for size in yl.shape[2:])
    return Pyramid(yl, details, shape or full)


def _reorder(detail: Tensor, ndim: int) -> Tensor:
    if ndim == 1:
        return detail.squeeze(2)
    return detail.index_select(2, torch.tensor(_ORIENTATION_2D, device=detail.device))


def _check_ndim(approximation: Tensor) -> int:
    ndim = approximation.ndim - 2
    if ndim not in {1, 2}:
        raise ShapeError(
            f"pytorch_wavelets transforms 1 or 2 space axes, got {ndim}; keep the Pyramid for 3-D"
        )
    return ndim
