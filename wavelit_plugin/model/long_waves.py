"""A convolution over the whole domain whose kernel is made of the domain's longest waves."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavelit_plugin.model.constants import ModuleWithConstants
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

WAVES = {1: 8, 2: 4, 3: 3}
"""Waves an axis of the kernel by space axes, the constant included."""


class LongWaves(nn.Module):
    """What every token owes to the whole domain, at a cost linear in the tokens.

    ``y = sum_m p_m W_m mean(p_m v)`` over products p_m of an axis' longest waves: cosine and sine
    of whole waves where it wraps around, cosines of half waves elsewhere, by which a field goes on
    beyond an end as its mirror image. A matrix W_m belongs to a wave number, whatever its phase, so
    that on periodic axes only distances matter. A Fourier layer (Li et al. 2021, arXiv 2010.08895)
    of few waves, for any boundary (docs/mathematics.md, eq. 6a). Its weights are half of the
    model's in 2-D, and next to nothing of its work: few waves are multiplied by them. Starts as
    zero.
    """

    def __init__(self, width: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.boundary, self.count = boundary, WAVES[len(boundary)]
        self.weight = nn.Parameter(torch.zeros(self.count ** len(boundary), width, width))

    def forward(self, x: Tokens, waves: tuple[Tensor, ...]) -> Tokens:
        """Convolve (batch, *grid, width), given the WaveFunctions of its grid.

        Sums over all tokens are in float32 at least.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._convolved(full_precision(x), waves).to(x.dtype)

    def _convolved(self, x: Tokens, waves: tuple[Tensor, ...]) -> Tokens:
        for axis, found in enumerate(waves, start=1):
            x = _along(axis, found.T, x)
        x = self._mixed(x).reshape(x.shape)
        for axis, found in enumerate(waves, start=1):
            x = _along(axis, found, x)
        return x

    def _mixed(self, spectrum: Tensor) -> Tensor:
        """Multiply (batch, *wave, width) by the matrix of each wave's number for any phase."""
        ndim = spectrum.ndim - 2
        for axis in reversed(range(1, ndim + 1)):
            spectrum = spectrum.unflatten(axis, (-1, self.count))
        phases, numbers = range(1, 2 * ndim, 2), range(2, 2 * ndim + 1, 2)
        order = (0, *phases, *numbers, 2 * ndim + 1)
        apart = spectrum.permute(order)
        flat = apart.reshape(-1, *self.weight.shape[:2])
        mixed = torch.einsum("pmi,mio->pmo", flat, self.weight).reshape(apart.shape)
        return mixed.permute([order.index(axis) for axis in range(len(order))])


class WaveFunctions(ModuleWithConstants):
    """The longest waves of every axis of a grid, at the centres of its cells.

    For each axis (size, wave), orthonormal as far as the axis can show them; those that it cannot
    tell from longer ones are zero. Waves are counted by number, and where the axis wraps around the
    sines come after all cosines.
    """

    number: Tensor
    lead: Tensor
    square: Tensor

    def __init__(self, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.boundary, self.count = boundary, WAVES[len(boundary)]
        # numbers that every precision has, so that the model may be of any: half turns, their lead,
        # and squares of heights
        self.register_constant("number", self._number)
        self.register_constant("lead", self._lead)
        self.register_constant("square", self._square)

    def _number(self) -> Tensor:
        return torch.arange(float(self.count)).repeat(2)

    def _lead(self) -> Tensor:
        return torch.tensor([0.0, 0.5]).repeat_interleave(self.count)

    def _square(self) -> Tensor:
        return 1.0 + (self._number() > 0)

    def forward(self, grid: tuple[int, ...]) -> tuple[Tensor, ...]:
        """Return the waves of each axis."""
        return tuple(self._of(size, name) for size, name in zip(grid, self.boundary, strict=True))

    def _of(self, size: int, boundary: Boundary) -> Tensor:
        turns = 2 if boundary == "periodic" else 1  # half ones a number
        number, lead, square = (
            part[: turns * self.count] for part in (self.number, self.lead, self.square)
        )
        cell = torch.arange(size, dtype=number.dtype, device=number.device)[:, None]
        phase = torch.addcmul(-math.pi * lead, (cell + 0.5) / size, number, value=turns * math.pi)
        shown = (turns * number < size) | (number == 0)
        return phase.cos() * (square * shown / size).sqrt()


def _along(axis: int, matrix: Tensor, x: Tokens) -> Tokens:
    """Multiply one axis of the grid by a matrix, without a change of layout."""
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    flat = x.reshape(math.prod(before), x.shape[axis], math.prod(after))
    return (matrix @ flat).view(*before, matrix.shape[0], *after)
