"""Running at the spacing that the model was trained at, whatever the input's.

Tokens and convolutions are tied to the grid spacing they were trained with. On a finer grid of the
same domain, the field is decomposed further until its spacing is the trained one, and the update
is rebuilt by a smooth synthesis; on a coarser grid, the other way round.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wavelit_plugin.shapes import Boundary, Field
from wavelit_plugin.wavelets import dwt

# cubic interpolation (Keys 1981, doi:10.1109/TASSP.1981.1163711, a = -1/2) a quarter cell off the
# centre, which is where the two halves of a cell have their centres
_CUBIC = (-0.0703125, 0.8671875, 0.2265625, -0.0234375)


def levels_apart(space: tuple[int, ...], trained: tuple[int, ...]) -> int:
    """Return how many times ``space`` must be halved (negative: doubled) to come nearest."""
    ratios = [math.log2(size / own) for size, own in zip(space, trained, strict=True)]
    return round(sum(ratios) / len(ratios))


def coarsen(u: Field, levels: int, boundary: tuple[Boundary, ...]) -> Field:
    """Average over cells of ``2**levels`` points an axis: the Haar low band, scaled to a mean."""
    if levels == 0:
        return u
    low = dwt(u, levels=levels, boundary=boundary).approximation
    return low * 2.0 ** (-levels * len(boundary) / 2)


def refine(u: Field, levels: int, boundary: tuple[Boundary, ...]) -> Field:
    """Double every axis ``levels`` times by cubic interpolation at the cell centres."""
    for _ in range(levels):
        for axis, name in enumerate(boundary, start=2):
            u = _double(u, axis, periodic=name == "periodic")
    return u


def _double(u: Tensor, axis: int, *, periodic: bool) -> Tensor:
    size = u.shape[axis]
    index = torch.arange(-2, size + 2, device=u.device)
    padded = u.index_select(axis, index % size if periodic else index.clamp(0, size - 1))
    if not periodic and size > 1:
        padded = padded + _slope_outside(u, index, axis)
    shifted = [padded.narrow(axis, k, size) for k in range(5)]
    left = sum(w * s for w, s in zip(reversed(_CUBIC), shifted[:4], strict=True))
    right = sum(w * s for w, s in zip(_CUBIC, shifted[1:], strict=True))
    return torch.stack([torch.as_tensor(left), torch.as_tensor(right)], dim=axis + 1).flatten(
        axis, axis + 1
    )


def _slope_outside(u: Tensor, index: Tensor, axis: int) -> Tensor:
    """What a straight line adds to the repeated end values outside the grid."""
    size = u.shape[axis]
    view = [-1 if a == axis else 1 for a in range(u.ndim)]
    before = (index.clamp(max=0)).view(view) * (u.narrow(axis, 1, 1) - u.narrow(axis, 0, 1))
    last = u.narrow(axis, size - 1, 1) - u.narrow(axis, size - 2, 1)
    return before + (index - size + 1).clamp(min=0).view(view) * last
