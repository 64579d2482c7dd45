"""A convolution over the whole domain whose kernel is made of the domain's longest waves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavelit_plugin.shapes import Boundary, Tokens, full_precision

WAVES = {1: 8, 2: 4, 3: 3}
"""Waves an axis of the kernel by space axes, the constant included."""

GROUP = 16
"""Features that are mixed with each other at a wave."""


class LongWaves(nn.Module):
    """What every token owes to the whole domain, at a cost linear in the tokens.

    ``y = sum_m p_m W_m mean(p_m v)`` over products p_m of an axis' longest waves: cosine and sine
    of whole waves where it wraps around, cosines of half waves elsewhere, by which a field goes on
    beyond an end as its mirror image. A matrix W_m for groups of features belongs to a wave number,
    whatever its phase, so that on periodic axes only distances matter. A Fourier layer (Li et al.
    2021, arXiv 2010.08895) of few waves and with blocks of features (Guibas et al. 2022, arXiv
    2111.13587), for any boundary (docs/mathematics.md, eq. 6a). Starts as zero.
    """

    def __init__(self, width: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.boundary, self.count = boundary, WAVES[len(boundary)]
        group = math.gcd(width, GROUP)
        numbers = self.count ** len(boundary)
        self.weight = nn.Parameter(torch.zeros(numbers, width // group, group, group))

    def forward(self, x: Tokens) -> Tokens:
        """Convolve (batch, *grid, width); sums over all tokens are in float32 at least."""
        with torch.autocast(x.device.type, enabled=False):
            return self._convolved(full_precision(x)).to(x.dtype)

    def _convolved(self, x: Tokens) -> Tokens:
        grid = x.shape[1:-1]
        functions, numbers = [], torch.zeros((), dtype=torch.int64, device=x.device)
        for size, name in zip(grid, self.boundary, strict=True):
            found, number = waves(size, self.count, name, x)
            functions.append(found)
            numbers = numbers[..., None] * self.count + number
        for axis, found in enumerate(functions, start=1):
            x = _along(axis, found.T / len(found), x)
        spectrum = x.flatten(1, -2).unflatten(-1, self.weight.shape[1:3])
        mixed = torch.einsum("bmgi,mgio->bmgo", spectrum, self.weight[numbers.flatten()])
        x = mixed.reshape(x.shape)
        for axis, found in enumerate(functions, start=1):
            x = _along(axis, found, x)
        return x


def waves(size: int, count: int, boundary: Boundary, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ``count`` longest waves at the cell centres of an axis, and their numbers.

    (size, function) of mean square 1, and (function,) in 0..count-1. Those that a grid of this
    size cannot tell from longer ones are zero.
    """
    centre = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size
    number = torch.arange(count, device=like.device)
    turns = math.pi * centre[:, None] * number
    height = (2 - (number == 0).to(like.dtype)).sqrt()
    if boundary != "periodic":
        return torch.cos(turns) * (height * (number < size)), number
    height = height * ((2 * number < size) | (number == 0))
    pair = [torch.cos(2 * turns) * height, (torch.sin(2 * turns) * height)[:, 1:]]
    return torch.cat(pair, dim=1), torch.cat([number, number[1:]])


def _along(axis: int, matrix: Tensor, x: Tokens) -> Tokens:
    """Multiply one axis of the grid by a matrix, without a change of layout."""
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    flat = x.reshape(math.prod(before), x.shape[axis], math.prod(after))
    return (matrix @ flat).view(*before, len(matrix), *after)
