"""The feature pyramid: the same block weights at every scale of the token grid."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model import recompute
from wavelit_plugin.model.attention import Places
from wavelit_plugin.model.block import Block
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.constants import ModuleWithConstants
from wavelit_plugin.model.long_waves import WaveFunctions
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.shapes import Tokens, full_precision

_FIRST_GAIN = 0.5  # of the coarse correction
_POOLS = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class FeaturePyramid(ModuleWithConstants):
    """Blocks over ``scales`` token grids, each half the size of the one before.

    Every block runs at every scale with shared weights; only an embedding, the norm gains and the
    fusion gain belong to a scale. Only the correction of the coarser scale travels up to the
    finer one (full approximation scheme, Brandt 1977, doi:10.1090/S0025-5718-1977-0431719-X), so
    blocks that do nothing leave the tokens as they are::

        z_{s+1} = R z_s
        y_s = B(z_s; s) + gamma_s P(y_{s+1} - R z_s)

    R is the Haar low band, P its transpose.
    """

    vectors: Tensor

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.ndim, self.scales = config.ndim, config.scales
        self.checkpointing = config.activation_checkpointing
        modulated = config.conditions > 0
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.scales, config.axes, modulated=modulated)
            for _ in range(config.depth)
        )
        coarse = config.scales - 1
        # absent on a single scale: a parameter without elements is an unused one to DDP
        self.embedding = nn.Parameter(torch.zeros(coarse, config.width)) if coarse else None
        self.fusion = (
            nn.Parameter(torch.full((config.depth, coarse), _FIRST_GAIN)) if coarse else None
        )
        pairs = config.width // config.heads // 2
        self.register_constant("vectors", partial(wave_vectors, config.axes, config.heads, pairs))
        self.waves = WaveFunctions(config.axes)

    def forward(self, x: Tokens, modulation: Tensor | None = None) -> Tokens:
        """Run all blocks on (batch, *grid, width)."""
        places = [self._places(grid) for grid in self._grids(x)]
        for depth, block in enumerate(self.blocks):
            x = self._advance(depth, block, x, places, modulation)
        return x

    def _advance(
        self,
        depth: int,
        block: nn.Module,
        x: Tokens,
        places: list[Places],
        modulation: Tensor | None,
    ) -> Tokens:
        inputs = [x]
        for _ in range(1, self.scales):
            inputs.append(restrict(inputs[-1], self.ndim))
        correction: Tensor | None = None
        for scale in reversed(range(self.scales)):
            z = inputs[scale]
            start = z if self.embedding is None or not scale else z + self.embedding[scale - 1]
            known = (scale, places[scale], modulation)
            y = recompute.run(block, start, *known, again=self.checkpointing)
            if correction is not None and self.fusion is not None:
                y = y + self.fusion[depth, scale] * prolong(correction, tuple(z.shape[1:-1]))
            correction = y - z
        return y

    def _places(self, grid: tuple[int, ...]) -> Places:
        return Places(*rotation(full_precision(self.vectors), grid), self.waves(grid))

    def _grids(self, x: Tokens) -> list[tuple[int, ...]]:
        grids = [tuple(x.shape[1:-1])]
        for _ in range(1, self.scales):
            grids.append(tuple(-(-size // 2) for size in grids[-1]))
        return grids


def restrict(x: Tokens, ndim: int) -> Tokens:
    """Return the Haar low band over the grid; the last cell of an odd axis is its own mean."""
    for axis in range(1, ndim + 1):
        if x.shape[axis] % 2:  # no ceil_mode: compiled, its gradient is wrong (pytorch#198119)
            x = torch.cat([x, x.narrow(axis, x.shape[axis] - 1, 1)], dim=axis)
    return _POOLS[ndim](x.movedim(-1, 1), 2).movedim(1, -1) * 2.0 ** (ndim / 2)


def prolong(x: Tokens, grid: tuple[int, ...]) -> Tokens:
    """Transpose of ``restrict``: spread each token over the cells it came from."""
    for axis, size in enumerate(grid, start=1):
        x = x.repeat_interleave(2, dim=axis).narrow(axis, 0, size)
    return x * 2.0 ** (-len(grid) / 2)
