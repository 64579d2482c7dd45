"""What every operator has to beat: repeating the state, and a linear stencil fitted in one go."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.plugins.types import GridTask, OperatorRecord
from wavelit_plugin.shapes import Field, check_field, per_axis

# points on either side of the stencil's middle, by the number of axes
_REACH = {1: 8, 2: 3, 3: 1}
# of the mean square of the stencil's inputs; these are strongly correlated in smooth fields
_RIDGE = 1e-6
# points that the fit looks at; a thousand for each coefficient is plenty
_POINTS = 2**19
# numbers in one block of the fit's matrix
_BLOCK = 2**23
_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class Persistence(nn.Module):
    """Repeat the state: the first channels of (batch, channel, *space)."""

    def __init__(self, task: GridTask) -> None:
        super().__init__()
        self.channels = task.out_channels

    def forward(self, u: Field) -> Field:
        """Return the first ``out_channels`` channels."""
        return u[:, : self.channels]


class LinearStencil(nn.Module):
    """One linear stencil for all points, plus the state where the task continues it.

    Periodic axes wrap around, others repeat their last point. It is zero before ``fit``.
    Weights are (out_channel, in_channel, *stencil).
    """

    def __init__(self, task: GridTask) -> None:
        super().__init__()
        reach = _REACH[task.ndim]
        stencil = (2 * reach + 1,) * task.ndim
        self.task, self.reach = task, reach
        self.boundary = per_axis(task.boundary, task.ndim)
        shape = (task.out_channels, task.in_channels, *stencil)
        # parameters, so that they are counted and saved; there is nothing to descend along
        self.weight = nn.Parameter(torch.zeros(shape), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(task.out_channels), requires_grad=False)

    def forward(self, u: Field) -> Field:
        """Map (batch, in_channel, *space) to (batch, out_channel, *space)."""
        check_field(u, ndim=self.task.ndim, channels=self.task.in_channels)
        update = _CONVOLUTIONS[self.task.ndim](self._padded(u), self.weight, self.bias)
        return u[:, : self.task.out_channels] + update if self.task.continues else update

    @torch.no_grad()
    def fit(self, x: Field, y: Field) -> None:
        """Set the weights by ridge regression of ``y`` on the stencils of ``x``, in float64.

        The bias is not shrunk. Of many samples it takes some, evenly spaced.
        """
        products, targets = self._moments(x, y)
        shrink = _RIDGE * products.diagonal()[:-1].mean().clamp_min(torch.finfo(x.dtype).tiny)
        products.diagonal()[:-1].add_(shrink)
        products.diagonal()[-1].clamp_min_(1.0)
        solution = torch.linalg.solve(products, targets).to(self.weight)
        self.weight.copy_(solution[:-1].T.reshape(self.weight.shape))
        self.bias.copy_(solution[-1])

    def _moments(self, x: Field, y: Field) -> tuple[Tensor, Tensor]:
        """Sums over points: inputs by inputs and inputs by outputs; the last input is 1."""
        inputs = self.weight[0].numel() + 1
        products = torch.zeros(inputs, inputs, dtype=torch.float64, device=x.device)
        targets = torch.zeros(inputs, len(self.weight), dtype=torch.float64, device=x.device)
        for index in _evenly(len(x), max(1, _POINTS // x[0, 0].numel())):
            u, after = x[index : index + 1], y[index : index + 1]
            change = after - u[:, : self.task.out_channels] if self.task.continues else after
            for rows, outputs in self._blocks(u, change):
                products += rows.T @ rows
                targets += rows.T @ outputs
        return products, targets

    def _blocks(self, u: Field, target: Field) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (point, stencil and 1) and (point, out_channel), some slabs of one sample a time.

        The stencil's order is that of the weights.
        """
        padded, width = self._padded(u.double()), 2 * self.reach + 1
        slab = max(1, _BLOCK // (self.weight[0].numel() * target[0, 0, 0].numel()))
        for first in range(0, target.shape[2], slab):
            outputs = target[:, :, first : first + slab]
            seen = padded[:, :, first : first + outputs.shape[2] + width - 1]
            for axis in range(2, 2 + self.task.ndim):
                seen = seen.unfold(axis, width, 1)  # the stencil's axes come last, in order
            points = range(2, 2 + self.task.ndim)
            rows = seen.movedim(1, 1 + self.task.ndim).flatten(0, self.task.ndim).flatten(1)
            ones = rows.new_ones(len(rows), 1)
            channels_last = outputs.permute(0, *points, 1).flatten(0, self.task.ndim)
            yield torch.cat([rows, ones], dim=1), channels_last.double()

    def _padded(self, u: Field) -> Field:
        for axis, name in enumerate(self.boundary, start=2):
            size, at = u.shape[axis], torch.arange(-self.reach, u.shape[axis] + self.reach)
            at = at.remainder(size) if name == "periodic" else at.clamp(0, size - 1)
            u = u.index_select(axis, at.to(u.device))
        return u


def _evenly(total: int, wanted: int) -> list[int]:
    """Return at most ``wanted`` of the numbers below ``total``, evenly spaced.

    >>> _evenly(10, 3)
    [0, 3, 6]
    """
    count = min(total, wanted)
    return [index * total // count for index in range(count)]


def _fit(module: nn.Module, x: Tensor, y: Tensor) -> None:
    if not isinstance(module, LinearStencil):
        raise TypeError(f"expected the linear stencil that build returned, got {type(module)}")
    module.fit(x, y)


def _build(
    kind: type[Persistence | LinearStencil], task: GridTask, _width: int | None
) -> nn.Module:
    return kind(task)


def _needs_a_state(task: GridTask) -> str | None:
    return None if task.continues else "the output continues no input"


BASELINES: tuple[OperatorRecord, ...] = (
    OperatorRecord(
        name="persistence",
        summary="repeats the state",
        ecosystem="baseline",
        build=partial(_build, Persistence),
        learning_rates=(),
        trains=False,
        takes=_needs_a_state,
    ),
    OperatorRecord(
        name="linear",
        summary="one linear stencil for all points, fitted by ridge regression",
        ecosystem="baseline",
        build=partial(_build, LinearStencil),
        learning_rates=(),
        trains=False,
        fit=_fit,
    ),
)
