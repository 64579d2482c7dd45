"""Normalisation over space and features at once."""

import torch
from torch import Tensor, nn

from wavelit_plugin.shapes import Tokens, full_precision

_FLOOR = 1e-6


class GroupRMS(nn.Module):
    """Divide by one root mean square a sample, taken over the grid and the features.

    A norm per token would inflate quiet regions before a wave arrives; one number a sample keeps
    the relative amplitude across space.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tokens) -> Tokens:
        """Normalise (batch, *grid, width)."""
        return torch.addcmul(self.shift, x, _inverse_rms(x) * self.gain)


def _inverse_rms(x: Tokens) -> Tensor:
    # float32 whatever autocast says: a mean of squares over a whole grid
    mean_square = full_precision(x).square().flatten(1).mean(1)
    return torch.rsqrt(mean_square + _FLOOR).to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
