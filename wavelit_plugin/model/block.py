"""The block that is repeated in depth and shared by all scales of the pyramid."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.attention import LinearAttention, Rotation
from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.norm import GroupRMS
from wavelit_plugin.shapes import Boundary, Tokens

_FIRST_STEP = 0.5  # of both residual branches


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
    (adaptive layer norm with one shared network, adaLN-single).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        scales: int,
        boundary: tuple[Boundary, ...],
        *,
        modulated: bool,
    ) -> None:
        super().__init__()
        self.position = DepthwiseConv(width, boundary, zero=True)
        self.norms = nn.ModuleList([GroupRMS(width, scales), GroupRMS(width, scales)])
        self.attention = LinearAttention(width, heads, boundary)
        self.feed_forward = GatedFeedForward(width, boundary)
        self.steps = nn.Parameter(torch.full((2, width), _FIRST_STEP))
        self.offset = nn.Parameter(torch.zeros(6, width)) if modulated else None

    def forward(
        self, x: Tokens, scale: int, rotation: Rotation, modulation: Tensor | None = None
    ) -> Tokens:
        """Advance the tokens of one scale."""
        x = x + self.position(x)
        attend = partial(self.attention, rotation=rotation)
        x = self._advance(0, attend, x, scale, modulation)
        return self._advance(1, self.feed_forward, x, scale, modulation)

    def _advance(
        self,
        branch: int,
        change: Callable[[Tokens], Tokens],
        x: Tokens,
        scale: int,
        modulation: Tensor | None,
    ) -> Tokens:
        h, step = self.norms[branch](x, scale), self.steps[branch]
        if modulation is not None and self.offset is not None:
            per_branch = (modulation + self.offset).unflatten(1, (2, 3))[:, branch]
            aligned = per_branch.view(-1, 3, *(1,) * (x.ndim - 2), x.shape[-1])
            shift, stretch, gate = aligned.unbind(1)
            h, step = torch.addcmul(shift, h, 1 + stretch), step * (1 + gate)
        return torch.addcmul(x, change(h), step)
