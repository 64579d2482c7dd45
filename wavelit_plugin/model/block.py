"""The block that is repeated in depth and shared by all scales of the pyramid."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.attention import LinearAttention, Places
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
        self, x: Tokens, scale: int, places: Places, modulation: Tensor | None = None
    ) -> Tokens:
        """Advance the tokens of one scale."""
        x = x + self.position(x)
        h, step = self._modulated(0, self.norms[0](x, scale), modulation)
        x = torch.addcmul(x, self.attention(h, places), step)
        h, step = self._modulated(1, self.norms[1](x, scale), modulation)
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
