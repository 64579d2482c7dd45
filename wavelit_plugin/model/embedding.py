"""Between bands and features: the linear maps into and out of the token space."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.norm import GroupRMS
from wavelit_plugin.model.tokenizer import Bands
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

_HEAD_STD = 1e-3

WAVES = (1, 2, 4)
"""Waves a periodic domain whose phases tell a token where it is."""


class BandEmbedding(nn.Module):
    """Divide each band by its scale and map a token's coefficients to features.

    The coefficients are divided, not the weights: in units of the data, half precision may not hold
    them. Features of where the token is are added: where an axis has ends, the position between
    them and the distance to the nearer one; on a periodic axis the phases of WAVES. What a law has
    that depends on the place, such as a fixed forcing, cannot be learned without. The map of the
    phases starts as zero,
    so a new model treats all places of a periodic domain alike.
    """

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.bands, self.boundary = Bands(config.ndim, config.levels), config.axes
        coefficients = config.in_channels * sum(self.bands.sizes)
        self.linear = nn.Linear(coefficients, config.width)
        ends = sum(name != "periodic" for name in config.axes)
        around = len(config.axes) - ends
        known = config.absolute_position
        self.position = _features(2 * ends, config.width) if known and ends else None
        self.phase = _features(2 * len(WAVES) * around, config.width) if known and around else None
        if self.phase is not None:
            nn.init.zeros_(self.phase.weight)

    def forward(self, coefficients: Tokens, scale: Tensor) -> Tokens:
        """Embed (batch, *grid, channel * coefficient), given a (channel, band) scale."""
        # the residual stream starts here, and stays in float32 also where autocast multiplies
        x = full_precision(self.linear(coefficients / self.bands.spread(scale).flatten()))
        grid = tuple(x.shape[1:-1])
        if self.position is not None:
            x = x + self.position(_positions(grid, self.boundary, x))
        if self.phase is not None:
            x = x + self.phase(_phases(grid, self.boundary, x))
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


def _features(count: int, width: int) -> nn.Linear:
    return nn.Linear(count, width, bias=False)


def _positions(grid: tuple[int, ...], boundary: tuple[Boundary, ...], like: Tensor) -> Tensor:
    """(*grid, 2 * axes with ends): position in -1..1, and distance to the nearer end in 0..1."""
    features = []
    for axis, name in enumerate(boundary):
        if name != "periodic":
            centre = _centres(grid, axis, like)
            features += [centre, 1 - centre.abs()]
    return torch.stack(features, dim=-1)


def _phases(grid: tuple[int, ...], boundary: tuple[Boundary, ...], like: Tensor) -> Tensor:
    """(*grid, 2 * WAVES * periodic axes): cosine and sine of each wave's phase."""
    features = []
    for axis, name in enumerate(boundary):
        if name == "periodic":
            turn = math.pi * _centres(grid, axis, like)
            features += [wave(count * turn) for count in WAVES for wave in (torch.cos, torch.sin)]
    return torch.stack(features, dim=-1)


def _centres(grid: tuple[int, ...], axis: int, like: Tensor) -> Tensor:
    """Where the tokens' centres are on an axis, in -1..1, for every token of the grid."""
    size = grid[axis]
    centre = torch.arange(1 - size, size, 2, device=like.device, dtype=like.dtype) / size
    return centre.view([size if a == axis else 1 for a in range(len(grid))]).expand(grid)
