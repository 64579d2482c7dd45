"""Other forms of the attention in a block of WaveLiT, for the ablations."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model import WaveLiT
from wavelit_plugin.model.attention import SLOWNESS, LinearAttention, Places, Rotation
from wavelit_plugin.model.rotation import rotate

Kernel = Callable[[Tensor, Tensor, Tensor, Rotation], Tensor]


def centred(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """The model's own form, written out (docs/mathematics.md, eq. 5)."""
    query, key = F.elu(query) + 1, F.elu(key) + 1
    z = torch.einsum("bnhd,bhd->bnh", query, key.mean(1)) * query.shape[-1] ** -0.5
    mixed = _read(rotate(query, *rotation), rotate(key, *rotation), value - _mean(value))
    return mixed * (1 + 1 / (z + 1e-3)).unsqueeze(-1) + _mean(value)


def identity_kernel(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """Queries and keys normalised per token, no positive features, no normaliser."""
    query, key = (F.normalize(t, dim=-1) * t.shape[-1] ** 0.5 for t in (query, key))
    return _read(rotate(query, *rotation), rotate(key, *rotation), value)


def plain_ratio(query: Tensor, key: Tensor, value: Tensor, _rotation: Rotation) -> Tensor:
    """Linear attention with elu + 1 (Katharopoulos et al. 2020, arXiv 2006.16236)."""
    query, key = F.elu(query) + 1, F.elu(key) + 1
    z = torch.einsum("bnhd,bhd->bnh", query, key.mean(1)) * query.shape[-1] ** -0.5
    return _read(query, key, value) / (z + 1e-3).unsqueeze(-1)


def nothing(_query: Tensor, _key: Tensor, value: Tensor, _rotation: Rotation) -> Tensor:
    """No global coupling at all."""
    return torch.zeros_like(value)


def _read(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    moment = torch.einsum("bnhd,bnhe->bhde", key, value) / key.shape[1]
    return torch.einsum("bnhd,bhde->bnhe", query, moment) * key.shape[-1] ** -0.5


def _mean(value: Tensor) -> Tensor:
    return value.mean(1, keepdim=True)


class VariantAttention(nn.Module):
    """The attention of a block with another kernel, or without one of its parts."""

    def __init__(
        self,
        own: LinearAttention,
        kernel: Kernel = centred,
        *,
        gain: bool = True,
        gate: bool = True,
        local: bool = True,
        waves: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.project, self.out, self.gain = own.heads, own.project, own.out, own.gain
        self.strength = SLOWNESS if gain else 1.0
        if not gain:
            nn.init.ones_(self.gain)
            self.gain.requires_grad_(False)
        self.local = own.local if local else None
        self.waves = own.waves if waves else None
        self.kernel, self.gate = kernel, gate

    def forward(self, x: Tensor, places: Places) -> Tensor:
        """Mix the tokens of (batch, *grid, width)."""
        rotation = (places.cosine.transpose(0, 1), places.sine.transpose(0, 1))
        query, key, value, gate = self.project(x).chunk(4, dim=-1)
        heads = [t.flatten(1, -2).unflatten(-1, (self.heads, -1)) for t in (query, key, value)]
        mixed = self.kernel(heads[0], heads[1], heads[2], rotation).reshape(value.shape)
        mixed = mixed * self.gain * self.strength
        if self.local is not None:
            mixed = mixed + self.local(value)
        if self.waves is not None:
            mixed = mixed + self.waves(value, places.waves)
        # without the gate its share of the projection stays, unused, so all have the same width
        return self.out(mixed * (1 + gate) if self.gate else mixed)


def attention(kernel: Kernel = centred, **parts: bool) -> Callable[[WaveLiT], None]:
    """Return the change of every block's attention."""

    def change(model: WaveLiT) -> None:
        for block in model.pyramid.blocks:
            own = cast(LinearAttention, block.attention)
            block.attention = VariantAttention(own, kernel, **parts)

    return change
