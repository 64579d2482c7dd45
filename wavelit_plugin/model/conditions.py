"""Scalar conditions, turned into a modulation of blocks and output."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wavelit_plugin.model.config import WaveLiTConfig

_FREQUENCIES = 8


class Modulation(NamedTuple):
    """What the conditions change.

    Attributes:
        blocks: shift, stretch and gate of both branches of every block.
        persistence: added to the share of the state that stays; over a longer time less does.
        gain: added to 1, which the update is multiplied by; over a longer time it is larger.
    """

    blocks: Float[Tensor, "batch 6 width"]
    persistence: Float[Tensor, "batch out"]
    gain: Float[Tensor, "batch out"]


class ConditionEmbedding(nn.Module):
    """Normalised scalars (batch, condition) to the modulation of blocks and output.

    The value of each, and sine and cosine of eight octaves of it, pass a network of one hidden
    layer.
    """

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(config.conditions * (1 + 2 * _FREQUENCIES), config.width), nn.SiLU()
        )
        self.blocks = nn.Linear(config.width, 6 * config.width)
        # at first the output is what it is without conditions
        self.output = nn.Linear(config.width, 2 * config.out_channels)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, condition: Tensor) -> Modulation:
        """Return the modulation of each sample, in the parameters' own precision."""
        # a persistence in half precision would be wrong by 0.4 % of the state
        with torch.autocast(condition.device.type, enabled=False):
            hidden = self.hidden(_features(condition))
            blocks, output = self.blocks(hidden), self.output(hidden)
        return Modulation(blocks.unflatten(-1, (6, -1)), *output.chunk(2, dim=-1))


def _features(condition: Tensor) -> Tensor:
    value = condition[..., None]
    octaves = 2.0 ** torch.arange(_FREQUENCIES, device=condition.device) * (torch.pi / 8)
    phase = value * octaves.to(condition.dtype)
    return torch.cat([value, phase.sin(), phase.cos()], dim=-1).flatten(1)
