"""Between bands and features: the linear maps into and out of the token space."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.norm import GroupRMS
from wavelit_plugin.model.tokenizer import Bands
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

_HEAD_STD = 1e-3


class BandEmbedding(nn.Module):
    """Divide each band by its scale and map a token's coefficients to features.

    The division is applied to the weights, which are small, not to the coefficients. Where an axis
    has ends, the position between them and the distance to the nearer one are added as features.
    """

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.bands, self.boundary = Bands(config.ndim, config.levels), config.axes
        coefficients = config.in_channels * sum(self.bands.sizes)
        self.linear = nn.Linear(coefficients, config.width)
        ends = 2 * sum(name != "periodic" for name in config.axes)
        self.position = nn.Linear(ends, config.width, bias=False) if ends else None

    def forward(self, coefficients: Tokens, scale: Tensor) -> Tokens:
        """Embed (batch, *grid, channel * coefficient), given a (channel, band) scale."""
        weight = self.linear.weight / self.bands.spread(scale).flatten()
        # the residual stream starts here, and stays in float32 also where autocast multiplies
        x = full_precision(F.linear(coefficients, weight, self.linear.bias))
        if self.position is not None:
            x = x + self.position(_positions(tuple(x.shape[1:-1]), self.boundary, x))
        return x


class BandHead(nn.Module):
    """Map features to the bands of the update, each in its own measured scale times a gain."""

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.bands = Bands(config.ndim, config.levels)
        self.norm = GroupRMS(config.width)
        self.linear = nn.Linear(config.width, config.out_channels * sum(self.bands.sizes))
        self.gain = nn.Parameter(torch.ones(config.out_channels, self.bands.count))
        nn.init.normal_(self.linear.weight, std=_HEAD_STD)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tokens, scale: Tensor) -> Tokens:
        """Return (batch, *grid, out * coefficient), given an (out, band) scale."""
        return (
            self.linear(self.norm(x)).to(scale.dtype)
            * self.bands.spread(scale * self.gain).flatten()
        )


def _positions(grid: tuple[int, ...], boundary: tuple[Boundary, ...], like: Tensor) -> Tensor:
    """(*grid, 2 * axes with ends): position in -1..1, and distance to the nearer end in 0..1."""
    features = []
    for axis, (size, name) in enumerate(zip(grid, boundary, strict=True)):
        if name != "periodic":
            centre = (2 * torch.arange(size, device=like.device) + 1) / size - 1
            view = [size if a == axis else 1 for a in range(len(grid))]
            features += [f.view(view).expand(grid) for f in (centre, 1 - centre.abs())]
    return torch.stack(features, dim=-1).to(like.dtype)
