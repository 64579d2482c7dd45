"""A grid extended by one point on both sides of an axis, as its boundary asks."""

from __future__ import annotations

import torch

from wavelit_plugin.shapes import Boundary, Tokens


def wrap(x: Tokens, boundary: tuple[Boundary, ...]) -> Tokens:
    """Extend each periodic axis of (batch, *grid, width) by one point on both sides."""
    for axis, name in enumerate(boundary, start=1):
        if name == "periodic":
            x = _extended(x, axis, around=True)
    return x


def extend(x: Tokens, boundary: tuple[Boundary, ...]) -> Tokens:
    """Likewise, and axes between walls by what is at the wall; open axes stay as they are."""
    for axis, name in enumerate(boundary, start=1):
        if name != "open":
            x = _extended(x, axis, around=name == "periodic")
    return x


def _extended(x: Tokens, axis: int, *, around: bool) -> Tokens:
    size = x.shape[axis]
    if size == 1:
        return torch.cat([x, x, x], dim=axis)
    # split instead of narrowed twice, whose gradients would be two more tensors of the whole size
    first, inner, last = x.split([1, size - 2, 1], dim=axis)
    before, after = (last, first) if around else (first, last)
    return torch.cat([before, first, inner, last, after], dim=axis)
