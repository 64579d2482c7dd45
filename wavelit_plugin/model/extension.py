"""A grid extended by one point on both sides of an axis, as its boundary asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.shapes import Boundary, Tokens

Ends = tuple[bool | None, ...]
"""How each axis goes on beyond its ends: around, by the value there, or (None) not at all."""


def wrap(x: Tokens, boundary: tuple[Boundary, ...]) -> Tokens:
    """Extend each periodic axis of (batch, *grid, width) by one point on both sides."""
    return _extended(x, tuple(True if name == "periodic" else None for name in boundary))


def extend(x: Tokens, boundary: tuple[Boundary, ...]) -> Tokens:
    """Likewise, and axes between walls by what is at the wall; open axes stay as they are."""
    ends = {"periodic": True, "wall": False, "open": None}
    return _extended(x, tuple(ends[name] for name in boundary))


def _extended(x: Tokens, ends: Ends) -> Tokens:
    if not any(end is not None for end in ends):
        return x
    if not torch.compiler.is_compiling():
        return _Extension.apply(x, ends)  # type: ignore[no-untyped-call]
    for axis, around in enumerate(ends, start=1):
        if around is not None:
            edges = x.narrow(axis, 0, 1), x.narrow(axis, x.shape[axis] - 1, 1)
            before, after = reversed(edges) if around else edges
            x = torch.cat([before, x, after], dim=axis)
    return x


class _Extension(torch.autograd.Function):
    """One copy each way, where concatenations would be one an axis and two sums on the way back."""

    @staticmethod
    def forward(x: Tensor, ends: Ends) -> Tensor:
        grid = [
            size + (0 if end is None else 2) for size, end in zip(x.shape[1:], ends, strict=False)
        ]
        out = x.new_empty(len(x), *grid, x.shape[-1])
        out[_inside(ends)] = x
        for outer, inner in _edges(out, ends):
            outer.copy_(inner)  # an axis not reached yet fills its own corners later
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Ends], _output: Tensor) -> None:
        ctx.ends = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradient = gradient.clone()
        for outer, inner in reversed(list(_edges(gradient, ctx.ends))):
            inner.add_(outer)
        return gradient[_inside(ctx.ends)], None


def _inside(ends: Ends) -> tuple[slice, ...]:
    whole, inner = slice(None), slice(1, -1)
    return whole, *(whole if end is None else inner for end in ends)


def _edges(x: Tensor, ends: Ends) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each added edge, and the points inside that it repeats."""
    for axis, around in enumerate(ends, start=1):
        if around is not None:
            first, last = x.select(axis, 1), x.select(axis, -2)
            yield x.select(axis, 0), last if around else first
            yield x.select(axis, -1), first if around else last
