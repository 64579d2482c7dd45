"""Normalisation over space and features at once."""

import torch
from torch import Tensor, nn

from wavelit_plugin.shapes import Tokens, full_precision

_FLOOR = 1e-6


class GroupRMS(nn.Module):
    """Divide by one root mean square a sample, taken over the grid and the features.

    A norm per token would inflate quiet regions before a wave arrives; one number a sample keeps
    the relative amplitude across space. Gain and shift belong to the scale of the pyramid.
    """

    def __init__(self, width: int, scales: int = 1) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(scales, width))
        self.shift = nn.Parameter(torch.zeros(scales, width))

    def forward(self, x: Tokens, scale: int = 0) -> Tokens:
        """Normalise (batch, *grid, width) with the gain of one scale."""
        return torch.addcmul(self.shift[scale], x, _inverse_rms(x) * self.gain[scale])


def _inverse_rms(x: Tokens) -> Tensor:
    # float32 whatever autocast says: a mean of squares over a whole grid
    mean_square = full_precision(x).square().flatten(1).mean(1)
    return torch.rsqrt(mean_square + _FLOOR).to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
