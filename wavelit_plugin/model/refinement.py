"""Convolutions in pixel space that remove what the token grid leaves behind."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model import recompute
from wavelit_plugin.model.convolution import filter_extended
from wavelit_plugin.shapes import Boundary, Field
from wavelit_plugin.wavelets.padding import crop, pad_to_levels

LAYERS = 5
"""Convolutions of the refinement."""

_LEAST = 4  # channels on the points

Layer = tuple[Tensor, Tensor]
"""Weight and bias of a convolution."""


class Refinement(nn.Module):
    """Five 3-point convolutions on (batch, channel, *space), three of them on cells of 2 points.

    With tokens of several points an axis, this is where the finest scales meet their neighbours.
    The first and the last convolution are on the points and narrow. Those between take the two
    points an axis of a cell as channels of it, so they reach twice as far and are wide at the same
    cost: roll-outs of a flow gain by it, whose fields are carried by more than a point in a step,
    and waves lose a little in short trainings (benchmarks/README.md). In 2-D they are a fifth and
    two fifths as wide as the tokens, with every axis more half of it, so that a point costs about
    the same in 1, 2 and 3-D.

    What the cells answer is added to the features of the first convolution and, bounded, multiplies
    them: these are linear in the fields, as derivatives are, so coefficients times derivatives, and
    fields times their own, are one product away. Unbounded products err as little in one step, but
    long roll-outs grow by them. Beyond a wall is what is at the wall: with zeros there every wave
    meets a jump, and long roll-outs grow by it (benchmarks/README.md). Beyond open ends, by which
    waves leave, zeros are better. Starts as zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        boundary: tuple[Boundary, ...],
        width: int,
        *,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        ndim = len(boundary)
        self.boundary, self.checkpointing = boundary, checkpointing
        fine = _LEAST * max(1, round(width / (5 * 2**ndim)))
        wide, cell = 2 * fine, fine * 2**ndim
        shapes = [
            (in_channels, fine),
            (cell, wide),
            (wide, wide),
            (wide, cell),
            (fine, out_channels),
        ]
        self.weights = nn.ParameterList(
            torch.empty(after, before, *[3] * ndim) for before, after in shapes
        )
        self.biases = nn.ParameterList(torch.zeros(after) for _, after in shapes)
        for weight in self.weights[:-1]:
            nn.init.kaiming_uniform_(weight, a=5**0.5)
        nn.init.zeros_(self.weights[-1])

    def forward(self, u: Field) -> Field:
        """Return the correction of each output channel."""
        # as a list, since a slice of a ParameterList would make parameters of what is lent to it
        first, *inner, last = zip(self.weights, self.biases, strict=True)
        x = pad_to_levels(u, 1, self.boundary).movedim(1, -1).contiguous()  # as the kernels want it
        linear = self._filter(x, *first)
        # not the whole: the memory that it takes to compute all of it again is what was to be saved
        answer = recompute.run(self._answer, linear, inner, again=self.checkpointing)
        joined = self.joined(linear, answer)
        return crop(self._filter(joined, *last).movedim(-1, 1), tuple(u.shape[2:]))

    def joined(self, linear: Tensor, answer: Tensor) -> Tensor:
        """Return what the last convolution sees, of (batch, *space, channel) each."""
        # activated here and for the answer: the gradients of one for both would wait for each
        # other, two of the largest tensors more at the peak of memory
        rest = F.silu(linear) + answer + linear
        return torch.addcmul(rest, linear, torch.tanh(answer))

    def _answer(self, linear: Tensor, layers: list[Layer]) -> Tensor:
        """What the cells of two points an axis make of the first features."""
        x = cells(F.silu(linear))
        for weight, bias in layers[:-1]:
            x = F.silu(self._filter(x, weight, bias))
        return points(self._filter(x, *layers[-1]), len(self.boundary))

    def _filter(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return filter_extended(x, weight, bias, self.boundary)


def cells(x: Tensor) -> Tensor:
    """Bring the two points an axis of each cell side by side: (batch, *cells, 2**n channel).

    From (batch, *space, channel) of even sizes; ``points`` is the inverse.
    """
    ndim = x.ndim - 2
    for axis in reversed(range(1, ndim + 1)):
        x = x.unflatten(axis, (-1, 2))
    grid, inner = range(1, 2 * ndim, 2), range(2, 2 * ndim + 1, 2)
    return x.permute(0, *grid, *inner, 2 * ndim + 1).flatten(ndim + 1)


def points(x: Tensor, ndim: int) -> Tensor:
    """Invert ``cells``."""
    x = x.unflatten(-1, (*[2] * ndim, -1))
    pairs = zip(range(1, ndim + 1), range(ndim + 1, 2 * ndim + 1), strict=True)
    x = x.permute(0, *itertools.chain.from_iterable(pairs), 2 * ndim + 1)
    for axis in range(1, ndim + 1):
        x = x.flatten(axis, axis + 1)
    return x
