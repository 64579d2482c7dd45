"""Augmented linear attention: centred, norm-aware, with a local term, long waves and a gate."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.long_waves import LongWaves
from wavelit_plugin.model.rotation import rotate
from wavelit_plugin.shapes import Boundary, Tokens, full_precision
from wavelit_plugin.wavelets.writing import evaluate, write

# keeps 1/z finite where a query is orthogonal to every key
_FLOOR = 1e-3

SLOWNESS = 0.1
"""What the trained gain of attention is multiplied by."""

Rotation = tuple[Tensor, Tensor]


class LinearAttention(nn.Module):
    """Global coupling at a cost linear in the tokens, and a local one beside it.

    ``y = W_o ((a attention(q, k, v) + waves(v) + conv(v)) * (1 + g))`` with q, k, v, g from one
    product. The gate has no activation, so that products such as u * du are within reach. The gain
    ``a`` of each feature starts as zero: what queries and keys at random mix in is noise to the
    rest, and on 16x16 Darcy flow, with 64 tokens, a short training then errs a fifth more. It is a
    tenth of what is trained, so that it grows slowly: at the rate of the others a short training on
    64x64 Darcy flow errs 10 % more than without attention. ``waves`` is what depends on the place
    alone, see LongWaves.
    """

    order: Tensor
    one: Tensor

    def __init__(self, width: int, heads: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 4 * width)
        self.local = DepthwiseConv(width, boundary)
        self.waves = LongWaves(width, boundary)
        self.gain = nn.Parameter(torch.zeros(width))
        self.out = nn.Linear(width, width)
        # the halves of a head's queries and keys are rotated together: brought side by side in the
        # weights, which are small, each pair is one complex number of the product
        rows = torch.arange(4 * width)
        pairs = rows[: 2 * width].view(2 * heads, 2, -1).transpose(1, 2)
        self.register_buffer("order", torch.cat([pairs.flatten(), rows[2 * width :]]), False)
        # the 1 of (1 + g), added to the bias instead of every token
        self.register_buffer("one", (rows >= 3 * width).to(torch.get_default_dtype()), False)

    def forward(self, x: Tokens, rotation: Rotation) -> Tokens:
        """Mix the tokens of (batch, *grid, width)."""
        pairs, value, gate = self.features(x)
        mixed = self.attend(pairs, value, rotation).to(value.dtype)
        gain = (self.gain * SLOWNESS).to(value.dtype)
        placed = self.local(value) + self.waves(value)
        return self.out(torch.addcmul(placed, mixed, gain) * gate)

    def features(self, x: Tokens) -> tuple[Tokens, Tokens, Tokens]:
        """Return positive queries and keys beside each other, values, and 1 + gate."""
        bias = (self.project.bias + self.one)[self.order]
        projected = F.linear(x, self.project.weight[self.order])
        pairs, value, gate = evaluate(_Features, projected, bias)
        return pairs, value, gate

    def attend(self, pairs: Tokens, value: Tokens, rotation: Rotation) -> Tokens:
        """Return the global part of the mix, in float32 at least."""
        tokens = pairs.flatten(1, -2).unflatten(-1, (2 * self.heads, -1))
        # sums over all tokens and 1/z: bf16 loses 40-200 % of the query-dependent part here
        values = full_precision(value).flatten(1, -2).unflatten(-1, (self.heads, -1))
        return evaluate(_CentredAttention, tokens, values, *rotation).reshape(value.shape)


def centred_attention(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation) -> Tensor:
    """Return (batch, token, head, feature) attention of queries to keys, linear in the tokens.

    With q, k = elu + 1 > 0, z = q . mean(k) / sqrt(d), and q', k' rotated::

        o = q' (k'^T (v - mean v)) / (N sqrt(d)) (1 + 1/z) + mean v

    (docs/mathematics.md, eq. 5). Centring makes a constant value field pass unchanged whatever
    the weights; 1/z normalises, and the 1 beside it keeps the norm of the query.
    """
    pairs = _positive(torch.cat([query, key], dim=2))
    return evaluate(_CentredAttention, pairs, value, *rotation)


def _positive(x: Tensor) -> Tensor:
    """elu(x) + 1, by the two operations that the processor is fast at."""
    return x.clamp(max=0).exp_() + x.clamp(min=0)


class _Features(torch.autograd.Function):
    """(..., 4 width) and its bias to positive queries and keys in float32, values and gate."""

    @staticmethod
    def forward(projected: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        width, bias = len(bias) // 4, bias.to(projected.dtype)
        sizes = [2 * width, width, width]
        # added here, where every token is read anyway
        pairs, value, gate = map(torch.add, projected.split(sizes, -1), bias.split(sizes))
        return _positive(full_precision(pairs)), value, gate

    @staticmethod
    def setup_context(ctx: Any, _inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(output[0])

    @staticmethod
    def backward(ctx: Any, pairs: Tensor, value: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        (positive,) = ctx.saved_tensors
        width = value.shape[-1]
        out = value.new_empty(*value.shape[:-1], 4 * width)
        # the derivative of elu(x) + 1 is 1 where it is above 1, and itself below
        write(out[..., : 2 * width], torch.mul, pairs, positive.clamp(max=1))
        out[..., 2 * width : 3 * width] = value
        out[..., 3 * width :] = gate
        return out, out.flatten(0, -2).sum(0)


class _CentredAttention(torch.autograd.Function):
    """``centred_attention`` of (batch, token, 2 head, feature) positive queries and keys.

    Nothing of the size of the tokens is kept beside what came in.
    """

    @staticmethod
    def forward(pairs: Tensor, value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        with torch.autocast(pairs.device.type, enabled=False):
            return _attention(pairs, value, cosine, sine)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        pairs, value, cosine, sine = ctx.saved_tensors
        with torch.autocast(gradient.device.type, enabled=False):
            found = _attention_gradient(pairs, value, cosine, sine, gradient)
        return *found, None, None


def _attention(pairs: Tensor, value: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    heads, features = value.shape[2:]
    mean = value.mean(1, keepdim=True)
    query, key = _rotate_both(pairs, cosine, sine).split(heads, dim=2)
    moment = _moments(key, value - mean) * (features**-0.5 / value.shape[1])
    mixed = _times(query, moment, torch.empty_like(value))
    return torch.addcmul(mean, mixed, _weight(pairs))


def _attention_gradient(
    pairs: Tensor, value: Tensor, cosine: Tensor, sine: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor]:
    tokens, heads, features = value.shape[1:]
    scale = features**-0.5 / tokens
    centred, weight = value - value.mean(1, keepdim=True), _weight(pairs)
    query, key = _rotate_both(pairs, cosine, sine).split(heads, dim=2)
    weighted = gradient * weight
    moment = _moments(key, centred) * scale
    moment_gradient = _moments(query, weighted) * scale
    turned = torch.empty_like(pairs)
    _times(weighted, moment.transpose(-1, -2), turned[:, :, :heads])
    _times(centred, moment_gradient.transpose(-1, -2), turned[:, :, heads:])
    # with o = w m, dL/dw = g . m, and w g . m is the product of the query and its gradient
    inner = (query * turned[:, :, :heads]).sum(-1, keepdim=True) / weight
    z_gradient = -inner * (weight - 1).square() * features**-0.5
    pairs_gradient = _rotate_both(turned, cosine, -sine)
    unturned, keys = pairs.split(heads, dim=2)
    pairs_gradient[:, :, :heads].addcmul_(z_gradient, keys.mean(1, keepdim=True))
    summed = _moments(unturned, z_gradient).transpose(-1, -2).transpose(1, 2)
    pairs_gradient[:, :, heads:].add_(summed / tokens)
    value_gradient = _times(key, moment_gradient, torch.empty_like(value))
    mean_gradient = gradient.mean(1, keepdim=True) - value_gradient.mean(1, keepdim=True)
    return pairs_gradient, value_gradient.add_(mean_gradient)


def _rotate_both(pairs: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the queries and the keys of (batch, token, 2 head, feature)."""
    both = pairs.unflatten(2, (2, -1))
    return rotate(both, cosine[:, None], sine[:, None]).flatten(2, 3)


def _weight(pairs: Tensor) -> Tensor:
    """(batch, token, head, 1): 1 + 1/z."""
    query, key = pairs.chunk(2, dim=2)
    mean = key.mean(1).unsqueeze(-1) * pairs.shape[-1] ** -0.5
    z = _times(query, mean, pairs.new_empty(*query.shape[:3], 1))
    return 1 + 1 / (z + _FLOOR)


def _moments(left: Tensor, right: Tensor) -> Tensor:
    """Sum over the tokens of the outer products: (batch, head, feature, feature)."""
    pairs = zip(left.unbind(2), right.unbind(2), strict=True)
    return torch.stack([torch.bmm(a.transpose(1, 2), b) for a, b in pairs], dim=1)


def _times(tokens: Tensor, matrices: Tensor, out: Tensor) -> Tensor:
    """Multiply (batch, token, head, feature) by one matrix a head, without a copy of the tokens."""
    for head in range(tokens.shape[2]):
        out[:, :, head].baddbmm_(tokens[:, :, head], matrices[:, head], beta=0)
    return out
