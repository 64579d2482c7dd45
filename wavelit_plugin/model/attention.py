"""Component 2, augmented linear attention: centred, norm-aware, local term, kernel and gate."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.long_waves import LongWaves
from wavelit_plugin.model.rotation import rotate
from wavelit_plugin.shapes import Boundary, Tokens, full_precision

# keeps 1/z finite where a query is orthogonal to every key
_FLOOR = 1e-3

SLOWNESS = 0.1
"""What the trained gain of attention is multiplied by."""

Rotation = tuple[Tensor, Tensor]


class Places(NamedTuple):
    """What of a token grid's places the attention needs, the same for every block.

    Attributes:
        cosine: (head, token, pair) of the phases that queries and keys are rotated by.
        sine: likewise.
        waves: of each axis its longest waves, see WaveFunctions.
    """

    cosine: Tensor
    sine: Tensor
    waves: tuple[Tensor, ...]


class LinearAttention(nn.Module):
    """Global coupling at a cost linear in the tokens, and a local one beside it.

    ``y = W_o ((a attention(q, k, v) + waves(v) + conv(v)) * (1 + g))`` with q, k, v, g from one
    product. The gate has no activation, so that products such as u * du are within reach. The gain
    ``a`` of each feature starts as zero: what queries and keys at random mix in is noise to the
    rest, and on 16x16 Darcy flow, with 64 tokens, short trainings of wider tokens erred up to a
    fifth more. It is a tenth of what is trained, so that it grows slowly: at the rate of the others
    they erred 10 % more on 64x64 Darcy flow than without attention. ``waves`` is what depends on
    the place alone, see LongWaves. ``content``, ``kernel`` and ``gate`` switch off the attention
    proper, ``waves`` and ``g``.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        boundary: tuple[Boundary, ...],
        *,
        content: bool = True,
        kernel: bool = True,
        gate: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.content = heads, content
        self.sizes = [2 * width * content, width, width * gate]
        self.project = nn.Linear(width, sum(self.sizes))
        self.local = DepthwiseConv(width, boundary)
        self.waves = LongWaves(width, boundary) if kernel else None
        if content:
            self.gain = nn.Parameter(torch.zeros(width))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tokens, places: Places) -> Tokens:
        """Mix the tokens of (batch, *grid, width)."""
        pairs, value, gate = self.project(x).split(self.sizes, dim=-1)
        mixed = self.local(value)
        if self.waves is not None:
            mixed = mixed + self.waves(value, places.waves)
        if self.content:
            mixed = mixed + self.attend(self.positive(pairs), value, places).to(value.dtype)
        return self.out(torch.addcmul(mixed, mixed, gate) if gate.shape[-1] else mixed)

    def positive(self, pairs: Tokens) -> Tensor:
        """Return positive queries and keys of (batch, *grid, 2 width).

        They are (2, batch, head, token, feature) in float32 at least, since all that is done with
        them is done head by head.
        """
        positive = F.elu(full_precision(pairs)) + 1
        by_head = positive.flatten(1, -2).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return by_head.contiguous()

    def attend(self, pairs: Tensor, value: Tokens, places: Places) -> Tokens:
        """Return the attention times its gain, in float32 at least."""
        # sums over all tokens and 1/z: bf16 loses 40-200 % of the query-dependent part here
        values = full_precision(value).flatten(1, -2).unflatten(-1, (self.heads, -1))
        gain = (self.gain * SLOWNESS).view(self.heads, -1)
        with torch.autocast(value.device.type, enabled=False):
            mixed = _attention(pairs, values, gain, (places.cosine, places.sine))
        return mixed.reshape(value.shape)


def centred_attention(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """Return (batch, token, head, feature) attention of queries to keys, linear in the tokens.

    With q, k = elu + 1 > 0, z = q . mean(k) / sqrt(d), and q', k' rotated::

        o = q' (k'^T (v - mean v)) / (N sqrt(d)) (1 + 1/z) + mean v

    (docs/mathematics.md, eq. 5). Centring makes a constant value field pass unchanged whatever
    the weights; 1/z normalises, and the 1 beside it keeps the norm of the query.
    """
    pairs = (F.elu(torch.stack([query, key])) + 1).transpose(2, 3).contiguous()
    return _attention(pairs, value, value.new_ones(value.shape[2:]), rotation)


def _attention(pairs: Tensor, value: Tensor, gain: Tensor, rotation: Rotation) -> Tensor:
    """``centred_attention`` of positive queries and keys (2, batch, head, token, feature).

    Times a gain (head, feature), which multiplies what is summed over the tokens, not the tokens.
    """
    tokens, _, features = value.shape[1:]
    mean = value.mean(1, keepdim=True)
    centred = (value - mean).transpose(1, 2)
    query, key = rotate(pairs, *rotation).unbind()
    scaled = (gain * (features**-0.5 / tokens))[:, None]
    mixed = query @ (key.mT @ centred * scaled)
    return torch.addcmul(mean * gain, mixed.transpose(1, 2), _weight(pairs).transpose(1, 2))


def _weight(pairs: Tensor) -> Tensor:
    """(batch, head, token, 1): 1 + 1/z."""
    query, key = pairs.unbind()
    z = query @ (key.mean(2) * pairs.shape[-1] ** -0.5).unsqueeze(-1)
    return 1 + 1 / (z + _FLOOR)
