"""Augmented linear attention: centred, norm-aware, with a local term, long waves and a gate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.constants import ModuleWithConstants
from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.long_waves import LongWaves
from wavelit_plugin.model.residual import StepLinear
from wavelit_plugin.model.rotation import rotate
from wavelit_plugin.shapes import Boundary, Tokens, full_precision
from wavelit_plugin.wavelets.writing import evaluate, write

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


class LinearAttention(ModuleWithConstants):
    """Global coupling at a cost linear in the tokens, and a local one beside it.

    ``y = W_o ((a attention(q, k, v) + waves(v) + conv(v)) * (1 + g))`` with q, k, v, g from one
    product. The gate has no activation, so that products such as u * du are within reach. The gain
    ``a`` of each feature starts as zero: what queries and keys at random mix in is noise to the
    rest, and on 16x16 Darcy flow, with 64 tokens, short trainings of wider tokens erred up to a
    fifth more. It is a tenth of what is trained, so that it grows slowly: at the rate of the others
    they erred 10 % more on 64x64 Darcy flow than without attention. ``waves`` is what depends on
    the place alone, see LongWaves.
    """

    one: Tensor

    def __init__(self, width: int, heads: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 4 * width)
        self.local = DepthwiseConv(width, boundary)
        self.waves = LongWaves(width, boundary)
        self.gain = nn.Parameter(torch.zeros(width))
        self.out = StepLinear(width, width)
        # the 1 of (1 + g), added to the bias instead of every token
        self.register_constant("one", partial(_one, width))

    def forward(self, x: Tokens, step: Tensor, places: Places) -> Tokens:
        """Mix the tokens of (batch, *grid, width), and multiply by a step as StepLinear does."""
        pairs, value, gate = self.features(x)
        mixed = self.attend(pairs, value, places).to(value.dtype)
        placed = self.local(value) + self.waves(value, places.waves)
        return self.out((placed + mixed) * gate, step)

    def features(self, x: Tokens) -> tuple[Tensor, Tokens, Tokens]:
        """Return positive queries and keys by head, see _Features, values, and 1 + gate."""
        projected = F.linear(x, self.project.weight)
        bias = self.project.bias + self.one
        pairs, value, gate = evaluate(_Features, projected, bias, self.heads)
        return pairs, value, gate

    def attend(self, pairs: Tensor, value: Tokens, places: Places) -> Tokens:
        """Return the global part of the mix times its gain, in float32 at least."""
        # sums over all tokens and 1/z: bf16 loses 40-200 % of the query-dependent part here
        values = full_precision(value).flatten(1, -2).unflatten(-1, (self.heads, -1))
        gain = (self.gain * SLOWNESS).view(self.heads, -1)
        rotation = (places.cosine, places.sine)
        return evaluate(_CentredAttention, pairs, values, gain, *rotation).reshape(value.shape)


def _one(width: int) -> Tensor:
    return (torch.arange(4 * width) >= 3 * width).float()


def centred_attention(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """Return (batch, token, head, feature) attention of queries to keys, linear in the tokens.

    With q, k = elu + 1 > 0, z = q . mean(k) / sqrt(d), and q', k' rotated::

        o = q' (k'^T (v - mean v)) / (N sqrt(d)) (1 + 1/z) + mean v

    (docs/mathematics.md, eq. 5). Centring makes a constant value field pass unchanged whatever
    the weights; 1/z normalises, and the 1 beside it keeps the norm of the query.
    """
    pairs = _positive(torch.stack([query, key]).transpose(2, 3))
    gain = value.new_ones(value.shape[2:])
    return evaluate(_CentredAttention, pairs, value, gain, *rotation)


def _positive(x: Tensor) -> Tensor:
    """elu(x) + 1, by the two operations that the processor is fast at; contiguous."""
    return _written(torch.add, x.clamp(max=0).exp_(), x.clamp(min=0), shape=x.shape)


class _Features(torch.autograd.Function):
    """(..., 4 width) and its bias to positive queries and keys in float32, values and gate.

    Queries and keys come out as (2, batch, head, token, feature), since all that is done with them
    is done head by head.
    """

    @staticmethod
    def forward(projected: Tensor, bias: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        width, bias = len(bias) // 4, bias.to(projected.dtype)
        sizes = [2 * width, width, width]
        # added here, where every token is read anyway
        pairs, value, gate = map(torch.add, projected.split(sizes, -1), bias.split(sizes))
        return _positive(_by_head(full_precision(pairs), heads)), value, gate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.heads = inputs[2]
        ctx.save_for_backward(output[0])

    @staticmethod
    def backward(
        ctx: Any, pairs: Tensor, value: Tensor, gate: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        (positive,) = ctx.saved_tensors
        width = value.shape[-1]
        out = value.new_empty(*value.shape[:-1], 4 * width)
        # the derivative of elu(x) + 1 is 1 where it is above 1, and itself below
        place = _by_head(out[..., : 2 * width], ctx.heads)
        write(place, torch.mul, pairs, positive.clamp(max=1))
        out[..., 2 * width : 3 * width] = value
        out[..., 3 * width :] = gate
        return out, out.flatten(0, -2).sum(0), None


class _CentredAttention(torch.autograd.Function):
    """``centred_attention`` of positive queries and keys (2, batch, head, token, feature).

    Times a gain (head, feature), which multiplies what is summed over the tokens, not the tokens.
    Nothing of the size of the tokens is kept beside what came in.
    """

    @staticmethod
    def forward(pairs: Tensor, value: Tensor, gain: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        with torch.autocast(pairs.device.type, enabled=False):
            return _attention(pairs, value, gain, cosine, sine)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        with torch.autocast(gradient.device.type, enabled=False):
            found = _attention_gradient(gradient, *ctx.saved_tensors)
        return *found, None, None


def _attention(pairs: Tensor, value: Tensor, gain: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    tokens, _, features = value.shape[1:]
    mean, centred = _centred(value)
    query, key = rotate(pairs, cosine, sine)
    scaled = (gain * (features**-0.5 / tokens))[:, None]
    mixed = query @ (key.mT @ centred * scaled)
    parts = (mean * gain, mixed.transpose(1, 2), _weight(pairs).transpose(1, 2))
    return _written(torch.addcmul, *parts, shape=value.shape)


def _attention_gradient(
    gradient: Tensor, pairs: Tensor, value: Tensor, gain: Tensor, *rotation: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    tokens, _, features = value.shape[1:]
    scale = features**-0.5 / tokens
    (mean, centred), weight = _centred(value), _weight(pairs)
    query, key = rotate(pairs, *rotation)
    weighted = _written(torch.mul, gradient.transpose(1, 2), weight, shape=centred.shape)
    moment, moment_gradient = key.mT @ centred, query.mT @ weighted
    summed = gradient.mean(1, keepdim=True)
    gain_gradient = scale * (moment * moment_gradient).sum((0, 2))
    gain_gradient = gain_gradient + tokens * (mean * summed).sum((0, 1))
    scaled = (gain * scale)[:, None]
    moment, moment_gradient = moment * scaled, moment_gradient * scaled
    turned = torch.empty_like(pairs)
    write(turned[0], torch.matmul, weighted, moment.mT)
    write(turned[1], torch.matmul, centred, moment_gradient.mT)
    # with o = w m, dL/dw = g . m, and w g . m is the product of the query and its gradient
    inner = (query * turned[0]).sum(-1, keepdim=True) / weight
    z_gradient = inner * (weight - 1).square() * -(features**-0.5)
    cosine, sine = rotation
    pairs_gradient = rotate(turned, cosine, -sine)
    pairs_gradient[0].addcmul_(z_gradient, pairs[1].mean(2, keepdim=True))
    pairs_gradient[1].add_(z_gradient.mT @ pairs[0], alpha=1 / tokens)
    value_gradient = (key @ moment_gradient).transpose(1, 2)
    mean_gradient = summed * gain - value_gradient.mean(1, keepdim=True)
    value_gradient = _written(torch.add, value_gradient, mean_gradient, shape=value.shape)
    return pairs_gradient, value_gradient, gain_gradient


def _by_head(pairs: Tensor, heads: int) -> Tensor:
    """View (batch, *grid, 2 head feature) as (2, batch, head, token, feature)."""
    return pairs.flatten(1, -2).unflatten(-1, (2, heads, -1)).permute(2, 0, 3, 1, 4)


def _centred(value: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, 1, head, feature) mean over the tokens, and (batch, head, token, feature) rest."""
    mean = value.mean(1, keepdim=True)
    shape = value.transpose(1, 2).shape
    rest = _written(torch.sub, value.transpose(1, 2), mean.transpose(1, 2), shape=shape)
    return mean, rest


def _weight(pairs: Tensor) -> Tensor:
    """(batch, head, token, 1): 1 + 1/z."""
    query, key = pairs
    z = query @ (key.mean(2) * pairs.shape[-1] ** -0.5).unsqueeze(-1)
    return 1 + 1 / (z + _FLOOR)


def _written(operation: Callable[..., Tensor], *inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the result of an operation, contiguous whatever the layout of the inputs."""
    place = inputs[0].new_empty(shape)
    write(place, operation, *inputs)
    return place
