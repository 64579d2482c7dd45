"""The trunk: blocks of attention and gated feed-forward on the grid of the tokens."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model import recompute
from wavelit_plugin.model.attention import LinearAttention, Places
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.constants import ModuleWithConstants
from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.long_waves import WaveFunctions
from wavelit_plugin.model.norm import GroupRMS
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

_FIRST_STEP = 0.5  # of both residual branches


class Trunk(ModuleWithConstants):
    """``depth`` blocks on (batch, *grid, width) tokens."""

    vectors: Tensor

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.checkpointing = config.activation_checkpointing
        self.blocks = nn.ModuleList(
            Block(
                config.width,
                config.heads,
                config.axes,
                modulated=config.conditions > 0,
                content=config.attention,
                kernel=config.positional_kernel,
                gate=config.gate,
            )
            for _ in range(config.depth)
        )
        pairs = config.width // config.heads // 2
        self.register_constant("vectors", partial(wave_vectors, config.axes, config.heads, pairs))
        self.waves = WaveFunctions(config.axes)

    def forward(self, x: Tokens, modulation: Tensor | None = None) -> Tokens:
        """Run all blocks."""
        grid = tuple(x.shape[1:-1])
        places = Places(*rotation(full_precision(self.vectors), grid), self.waves(grid))
        for block in self.blocks:
            x = recompute.run(block, x, places, modulation, again=self.checkpointing)
        return x


class GatedFeedForward(nn.Module):
    """``W_2 (a * silu(b))`` with ``a, b = conv(W_1 x)``, twice as wide inside."""

    def __init__(self, width: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width)
        self.local = DepthwiseConv(4 * width, boundary)
        self.out = nn.Linear(2 * width, width)

    def forward(self, x: Tokens) -> Tokens:
        """Mix the features of each token and its neighbours."""
        value, gate = self.local(self.expand(x)).chunk(2, dim=-1)
        return self.out(value * F.silu(gate))


class Block(nn.Module):
    """Position by convolution, then attention, then a gated feed-forward, each residual.

    ``modulation`` (batch, 6, width), if given, shifts, scales and gates the two branches
    (adaptive layer norm with one shared network, adaLN-single). ``parts`` are LinearAttention's.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        boundary: tuple[Boundary, ...],
        *,
        modulated: bool,
        **parts: bool,
    ) -> None:
        super().__init__()
        self.position = DepthwiseConv(width, boundary, zero=True)
        self.norms = nn.ModuleList([GroupRMS(width), GroupRMS(width)])
        self.attention = LinearAttention(width, heads, boundary, **parts)
        self.feed_forward = GatedFeedForward(width, boundary)
        self.steps = nn.Parameter(torch.full((2, width), _FIRST_STEP))
        self.offset = nn.Parameter(torch.zeros(6, width)) if modulated else None

    def forward(self, x: Tokens, places: Places, modulation: Tensor | None = None) -> Tokens:
        """Advance the tokens."""
        x = x + self.position(x)
        h, step = self._modulated(0, self.norms[0](x), modulation)
        x = torch.addcmul(x, self.attention(h, places), step)
        h, step = self._modulated(1, self.norms[1](x), modulation)
        return torch.addcmul(x, self.feed_forward(h), step)

    def _modulated(
        self, branch: int, h: Tokens, modulation: Tensor | None
    ) -> tuple[Tokens, Tensor]:
        """Return what enters a branch, and the step that multiplies what it answers."""
        step = self.steps[branch]
        if modulation is None or self.offset is None:
            return h, step
        per_branch = (modulation + self.offset).unflatten(1, (2, 3))[:, branch]
        aligned = per_branch.view(-1, 3, *(1,) * (h.ndim - 2), h.shape[-1])
        shift, stretch, gate = aligned.unbind(1)
        return torch.addcmul(shift, h, 1 + stretch), step * (1 + gate)
