"""What a linear map of wavelet coefficients cannot tell of a token: means of bounded filters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavelit_plugin.model import recompute
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.convolution import filter_extended
from wavelit_plugin.model.pyramid import averages, cells
from wavelit_plugin.shapes import Field, Tokens
from wavelit_plugin.wavelets.padding import pad_to_levels

_REACH = 3.0  # of the first weights, over one root of the number of inputs


class Texture(nn.Module):
    """Means over each token of ``tanh`` of three-point filters on its cells of two points an axis.

    The embedding is linear in the coefficients of a token, so what its fine scales do to its large
    ones - the permeability of a mixture is no mean of those of its parts - would be left to the
    blocks, and learned anew for every place inside of a token. Means of a filter's bounded answers
    are the same wherever in the token something is, as in a scattering transform (Bruna and Mallat
    2013, doi:10.1109/TPAMI.2012.230); here the filters are learned, a third as many as features
    (docs/mathematics.md, eq. 4a).
    """

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.boundary, self.channels = config.axes, config.in_channels
        self.checkpointing = config.activation_checkpointing
        filters = 8 * max(1, config.width // 24)
        inputs = self.channels * 2**config.ndim
        # channel by channel, as the other weights that read channels
        self.weight = nn.Parameter(torch.empty(filters, inputs, *[3] * config.ndim))
        self.bias = nn.Parameter(torch.zeros(filters))
        self.linear = nn.Linear(filters, config.width, bias=False)
        bound = _REACH / math.sqrt(inputs * 3**config.ndim)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, u: Field, levels: int) -> Tokens:
        """Return what is added to the tokens of 2**levels points an axis."""
        return recompute.run(self._means, u, self.weight, levels, again=self.checkpointing)

    def _means(self, u: Field, weight: Tensor, levels: int) -> Tokens:
        ndim = len(self.boundary)
        x = cells(pad_to_levels(u, levels, self.boundary).movedim(1, -1).contiguous())
        # cells have their points outside, their channels inside
        weight = weight.unflatten(1, (self.channels, -1)).transpose(1, 2).flatten(1, 2)
        x = filter_extended(x, weight, self.bias, self.boundary).tanh_()
        for _ in range(1, levels):
            x = averages(x) * 2.0 ** (ndim / 2)
        return self.linear(x)
