"""Augmented linear attention: centred, norm-aware, with a local term and an un-activated gate."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.rotation import rotate
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

# keeps 1/z finite where a query is orthogonal to every key
_FLOOR = 1e-3

Rotation = tuple[Tensor, Tensor]


class LinearAttention(nn.Module):
    """Global coupling at a cost linear in the tokens, and a local one beside it.

    ``y = W_o ((attention(q, k, v) + conv(v)) * (1 + g))`` with q, k, v, g from one product. The
    gate has no activation, so that products such as u * du are within reach.
    """

    def __init__(self, width: int, heads: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 4 * width)
        self.local = DepthwiseConv(width, boundary)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tokens, rotation: Rotation) -> Tokens:
        """Mix the tokens of (batch, *grid, width)."""
        query, key, value, gate = self.project(x).chunk(4, dim=-1)
        mixed = self._attend(query, key, value, rotation).to(value.dtype)
        return self.out((mixed + self.local(value)) * (1 + gate))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
        shape = query.shape
        split = [t.flatten(1, -2).unflatten(-1, (self.heads, -1)) for t in (query, key, value)]
        # sums over all tokens and 1/z: bf16 loses 40-200 % of the query-dependent part here
        with torch.autocast(query.device.type, enabled=False):
            query, key, value = (full_precision(t) for t in split)
            mixed = centred_attention(query, key, value, rotation)
        return mixed.reshape(shape)


def centred_attention(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """Return (batch, token, head, feature) attention of queries to keys, linear in the tokens.

    With q, k = elu + 1 > 0, z = q . mean(k) / sqrt(d), and q', k' rotated::

        o = q' (k'^T (v - mean v)) / (N sqrt(d)) (1 + 1/z) + mean v

    (docs/mathematics.md, eq. 4). Centring makes a constant value field pass unchanged whatever
    the weights; 1/z normalises, and the 1 beside it keeps the norm of the query.
    """
    tokens, features = query.shape[1], query.shape[-1]
    query, key = F.elu(query) + 1, F.elu(key) + 1
    mean_key, mean_value = key.mean(1, keepdim=True), value.mean(1, keepdim=True)
    z = (query * mean_key).sum(-1, keepdim=True) * features**-0.5
    query, key = rotate(query, *rotation), rotate(key, *rotation)
    moment = torch.einsum("bnhd,bnhe->bhde", key, value - mean_value)
    mixed = torch.einsum("bnhd,bhde->bnhe", query, moment) * (features**-0.5 / tokens)
    return mixed * (1 + 1 / (z + _FLOOR)) + mean_value
