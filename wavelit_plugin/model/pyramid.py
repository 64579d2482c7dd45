"""Component 3: the shared-weight multiscale feature pyramid."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model import recompute
from wavelit_plugin.model.convolution import filter_extended
from wavelit_plugin.shapes import Boundary, Field, Tokens
from wavelit_plugin.wavelets.padding import crop, pad_to_levels

_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class FeaturePyramid(nn.Module):
    """One block of convolutions, run with the same weights on ``scales`` grids, in a V.

    The grids have the points of the fields, then cells of 2, 4, ... points an axis, whose fields
    are the Haar averages of the finer ones. On each, features of the points go to cells of two
    points an axis, which are the points of the next coarser grid; what that answers comes back
    into the block before it answers itself. So three-point filters reach ``3 * 2**scales`` points
    at hardly more than the cost of the finest grid. A scale has nothing of its own but a gain and
    a bias of each feature.

    On the points a block is narrow. On the cells it is twice as wide, and so reaches twice as far
    at the same cost. What the cells answer is added to the features of the points and, bounded,
    multiplies them: these are linear in the fields, as derivatives are, so coefficients times
    derivatives, and fields times their own, are one product away. Unbounded products err as little
    in one step, but long roll-outs grow by them. Beyond a wall is what is at the wall: with zeros
    there every wave meets a jump, and long roll-outs grow by it (benchmarks/README.md). Beyond open
    ends, by which waves leave, zeros are better. Starts as zero.

    From (batch, in_channels, *space) to (batch, out_channels, *space), of any size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        boundary: tuple[Boundary, ...],
        features: int,
        scales: int,
        *,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.boundary, self.scales, self.checkpointing = boundary, scales, checkpointing
        wide, cell = 2 * features, features * 2 ** len(boundary)
        self.first = Convolution(in_channels, features, boundary, scales)
        self.enter = Convolution(cell, wide, boundary, scales)
        self.inner = Convolution(wide, wide, boundary)
        self.leave = Convolution(wide, cell, boundary, scales)
        self.last = Convolution(features, out_channels, boundary)
        nn.init.zeros_(self.last.weight)
        # absent on a single scale: DDP wants a gradient of every parameter
        self.ask, self.told = (
            _zero_linear(*widths) if scales > 1 else None
            for widths in ((wide, features), (features, wide))
        )

    def forward(self, u: Field) -> Field:
        """Return the correction of each output channel."""
        space = tuple(u.shape[2:])
        fields = pad_to_levels(u, self.scales, self.boundary).movedim(1, -1).contiguous()
        on_points: list[Tokens] = []
        on_cells: list[Tokens] = []
        for scale in range(self.scales):
            x = self.first(fields, scale)
            if self.ask is not None and on_cells:
                x = x + self.ask(on_cells[-1])
            on_points.append(x)
            on_cells.append(recompute.run(self._enter, x, scale, again=self.checkpointing))
            if scale + 1 < self.scales:
                fields = averages(fields)
        answer: Tokens | None = None
        for scale in reversed(range(self.scales)):
            y = on_cells[scale]
            if self.told is not None and answer is not None:
                y = y + self.told(answer)
            known = (on_points[scale], y, scale)
            answer = recompute.run(self._leave, *known, again=self.checkpointing)
        return crop(self.last(answer).movedim(-1, 1), space)

    def _enter(self, x: Tokens, scale: int) -> Tokens:
        return F.silu(self.enter(cells(F.silu(x)), scale))

    def _leave(self, x: Tokens, y: Tokens, scale: int) -> Tokens:
        y = self.leave(F.silu(self.inner(y)), scale)
        return joined(x, points(y, len(self.boundary)))


class Convolution(nn.Module):
    """Three points an axis on (batch, *grid, feature), with one weight for all scales.

    A scale has a bias and, if there are several, a gain of its own (Perez et al. 2018,
    arXiv 1709.07871). See filter_extended for what is beyond the ends of the grid.
    """

    def __init__(
        self, before: int, after: int, boundary: tuple[Boundary, ...], scales: int = 1
    ) -> None:
        super().__init__()
        self.boundary = boundary
        self.weight = nn.Parameter(torch.empty(after, before, *[3] * len(boundary)))
        self.bias = nn.Parameter(torch.zeros(scales, after))
        self.gain = nn.Parameter(torch.ones(scales, after)) if scales > 1 else None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tokens, scale: int = 0) -> Tokens:
        """Filter all features together."""
        weight: Tensor = self.weight
        if self.gain is not None:
            # of the weight: the tensors are many times larger
            weight = weight * self.gain[scale].view(-1, *[1] * (weight.ndim - 1))
        return filter_extended(x, weight, self.bias[scale], self.boundary)


def joined(linear: Tensor, answer: Tensor) -> Tensor:
    """Return features of the points and what their cells answer, added and multiplied."""
    # activated here and for the cells: the gradients of one for both would wait for each other,
    # two of the largest tensors more at the peak of memory
    rest = F.silu(linear) + answer + linear
    return torch.addcmul(rest, linear, torch.tanh(answer))


def averages(x: Tensor) -> Tensor:
    """Return (batch, *cells, channel) means of cells of two points an axis; sizes are even."""
    return _POOLS[x.ndim - 2](x.movedim(-1, 1), 2).movedim(1, -1)


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


def _zero_linear(before: int, after: int) -> nn.Linear:
    linear = nn.Linear(before, after, bias=False)
    nn.init.zeros_(linear.weight)
    return linear
