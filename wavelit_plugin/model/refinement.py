"""A small convolution in pixel space that removes what the token grid leaves behind."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.convolution import convolve, wrap
from wavelit_plugin.shapes import Boundary, Field

_HIDDEN = 16


class Refinement(nn.Module):
    """Two 3-point convolutions on (batch, channel, *space); starts as zero."""

    def __init__(self, in_channels: int, out_channels: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.boundary = boundary
        kernel = [3] * len(boundary)
        self.first = nn.Parameter(torch.empty(_HIDDEN, in_channels, *kernel))
        self.first_bias = nn.Parameter(torch.zeros(_HIDDEN))
        self.second = nn.Parameter(torch.zeros(out_channels, _HIDDEN, *kernel))
        self.second_bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_uniform_(self.first, a=5**0.5)

    def forward(self, u: Field) -> Field:
        """Return the correction of each output channel."""
        x = u.movedim(1, -1).contiguous()  # channels-last, as the kernels below want it
        x = F.silu(self._filter(x, self.first, self.first_bias))
        return self._filter(x, self.second, self.second_bias).movedim(-1, 1)

    def _filter(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        padding = [0 if name == "periodic" else 1 for name in self.boundary]
        return convolve(wrap(x, self.boundary), weight, bias, padding, groups=1)
