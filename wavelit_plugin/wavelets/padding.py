"""Padding to the multiples of 2**levels that a critically sampled transform needs, and cropping."""

import torch
from torch import Tensor

from wavelit_plugin.shapes import Boundary


def padded_size(size: int, levels: int) -> int:
    """Return the smallest multiple of ``2**levels`` that is at least ``size``.

    >>> padded_size(13, 2)
    16
    """
    step = 2**levels
    return -(-size // step) * step


def pad_to_levels(u: Tensor, levels: int, boundary: tuple[Boundary, ...]) -> Tensor:
    """Extend the last axes to multiples of ``2**levels``: circular where periodic, else replicate.

    Indices instead of ``torch.nn.functional.pad``: they take any amount of padding, also more
    than the size itself, in any number of axes.
    """
    first = u.ndim - len(boundary)
    for axis, name in enumerate(boundary, start=first):
        size = u.shape[axis]
        target = padded_size(size, levels)
        if target != size:
            index = torch.arange(target, device=u.device)
            index = index % size if name == "periodic" else index.clamp(max=size - 1)
            u = u.index_select(axis, index)
    return u


def crop(u: Tensor, space: tuple[int, ...]) -> Tensor:
    """Cut the last axes back to ``space``, the inverse of the padding."""
    for axis, size in enumerate(space, start=u.ndim - len(space)):
        u = u.narrow(axis, 0, size)
    return u
