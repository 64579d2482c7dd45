"""Depthwise convolution on tokens, padded as the boundary of each axis asks."""

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.extension import extend, wrap
from wavelit_plugin.shapes import Boundary, Tokens

_CONVOLUTIONS = {2: F.conv2d, 3: F.conv3d}


class DepthwiseConv(nn.Module):
    """Three points an axis, one filter a feature, on (batch, *grid, width).

    Periodic axes wrap around; the others see zeros outside, by which a filter can tell where the
    boundary is. Tokens are stored channels-last, so no layout is changed on the way.
    """

    def __init__(self, width: int, boundary: tuple[Boundary, ...], *, zero: bool = False) -> None:
        super().__init__()
        self.boundary = boundary
        bound = 0.0 if zero else 3.0 ** (-len(boundary) / 2)
        self.weight = nn.Parameter(torch.empty(width, 1, *(3 for _ in boundary)))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tokens) -> Tokens:
        """Filter each feature."""
        x = wrap(x, self.boundary)
        padding = [0 if name == "periodic" else 1 for name in self.boundary]
        return convolve(x, self.weight, self.bias, padding, groups=self.weight.shape[0])


def filter_extended(
    x: Tokens, weight: Tensor, bias: Tensor, boundary: tuple[Boundary, ...]
) -> Tokens:
    """Convolve three points an axis, which see beyond the ends what ``extend`` puts there."""
    padding = [1 if name == "open" else 0 for name in boundary]
    return convolve(extend(x, boundary), weight, bias, padding, groups=1)


def convolve(x: Tokens, weight: Tensor, bias: Tensor, padding: list[int], groups: int) -> Tokens:
    """Convolve channels-last tokens; one axis is done as two, for which there is a fast kernel."""
    u = x.movedim(-1, 1)
    if len(padding) == 1:
        flat = F.conv2d(
            u.unsqueeze(2), weight.unsqueeze(2), bias, padding=[0, *padding], groups=groups
        )
        return flat.squeeze(2).movedim(1, -1)
    return _CONVOLUTIONS[len(padding)](u, weight, bias, padding=padding, groups=groups).movedim(
        1, -1
    )
