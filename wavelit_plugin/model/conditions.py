"""Scalar conditions in the units of the data: normalised, then turned into a modulation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wavelit_plugin.errors import DataError
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.moments import from_all_ranks

SAMPLES = 1024
"""Samples after which mean and scale of the conditions are frozen."""

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
    """Scalars (batch, condition) in any units to the modulation of blocks and output.

    Each is brought to mean 0 and standard deviation 1 by what the first training batches of all
    ranks held; one that never varied there is only centred. Then its value, and sine and cosine
    of eight octaves of it, pass a network of one hidden layer.
    """

    samples: Tensor
    mean: Tensor
    square: Tensor

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
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(config.conditions))
        # mean square about the mean
        self.register_buffer("square", torch.ones(config.conditions))
        # a plain bool, since reading a buffer in every forward would stall a GPU
        self._learning = True
        self.register_load_state_dict_post_hook(_restore)  # type: ignore[no-untyped-call]

    def forward(self, condition: Tensor) -> Modulation:
        """Return the modulation of each sample, in the parameters' own precision.

        Raises:
            DataError: NaN or infinity while mean and scale are learnt.
        """
        condition = condition.to(self.mean.dtype)
        if self.training and self._learning:
            self._observe(condition.detach())
        # a persistence in half precision would be wrong by 0.4 % of the state
        with torch.autocast(condition.device.type, enabled=False):
            hidden = self.hidden(self._features(condition))
            blocks, output = self.blocks(hidden), self.output(hidden)
        return Modulation(blocks.unflatten(-1, (6, -1)), *output.chunk(2, dim=-1))

    def _features(self, condition: Tensor) -> Tensor:
        scale = torch.where(self.square > 0, self.square, 1.0).sqrt()
        normalised = ((condition - self.mean) / scale)[..., None]
        octaves = 2.0 ** torch.arange(_FREQUENCIES, device=condition.device) * (torch.pi / 8)
        phase = normalised * octaves.to(condition.dtype)
        return torch.cat([normalised, phase.sin(), phase.cos()], dim=-1).flatten(1)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def _observe(self, condition: Tensor) -> None:
        if not torch.isfinite(condition).all():
            raise DataError(
                "the conditions of a training batch hold NaN or infinity; repair or drop these "
                "samples"
            )
        mean = condition.mean(0)
        part = torch.stack([mean, (condition - mean).square().mean(0)])
        count = mean.new_tensor([float(len(condition))])
        for other in from_all_ranks(torch.cat([count, part.flatten()])):
            self._merge(int(other[0]), *other[1:].view_as(part))
        self._learning = int(self.samples) < SAMPLES

    def _merge(self, count: int, mean: Tensor, square: Tensor) -> None:
        if count == 0:  # an empty shard: its mean is NaN
            return
        before = int(self.samples)
        share, step = count / (before + count), mean - self.mean
        if before == 0:  # the initial values are no observation
            self.mean.copy_(mean)
            self.square.copy_(square)
        else:  # pairwise update, as for the fields
            self.mean += share * step
            self.square.lerp_(square, share).add_(share * (1 - share) * step.square())
        self.samples += count


def _restore(module: nn.Module, _keys: object) -> None:
    if isinstance(module, ConditionEmbedding):
        module._learning = int(module.samples) < SAMPLES  # noqa: SLF001  (a hook of this class)
