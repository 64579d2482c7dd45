"""A candidate for the next shape of the model: one block, run on every scale, and little beside it.

The points of a scale are the cells of 2 points an axis of the finer one, and a block asks the same
block on its cells before it answers: fine to coarse and back, a V. Attention, where the grid is
coarse enough for it to be cheap, looks at what came back.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.model.attention import centred_attention
from wavelit_plugin.model.convolution import filter_extended
from wavelit_plugin.model.refinement import cells, points
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.shapes import Boundary, Field, Tokens, per_axis
from wavelit_plugin.wavelets.padding import crop, pad_to_levels

HEADS = 2
_HARMONICS = (1, 2, 4)  # waves a domain by which a place on a periodic axis is told
_EPS = 1e-6


@dataclass(frozen=True)
class PyramidConfig:
    """What a pyramid is built from.

    Attributes:
        in_channels: of these the first ``out_channels`` are continued.
        out_channels: of the next state.
        boundary: of each axis.
        scales: grids that the block is run on, each of half as many points an axis.
        features: of a point, even; a cell has twice as many.
        film: a gain and a bias of each scale, on the features.
        attention: on the cells of all scales but the finest.
        place: tell each cell where in the domain it is.
        shared: the weights of all scales are the same.
    """

    in_channels: int
    out_channels: int
    boundary: tuple[Boundary, ...]
    scales: int = 2
    features: int = 24
    film: bool = True
    attention: bool = False
    place: bool = False
    shared: bool = True

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PyramidConfig:
        """Build from plain types, as ``as_dict`` returns them."""
        names = values["boundary"]
        return cls(**{**values, "boundary": per_axis(names, len(names))})

    def as_dict(self) -> dict[str, Any]:
        """Return plain types that JSON can hold."""
        return {**asdict(self), "boundary": list(self.boundary)}


class Convolution(nn.Module):
    """Three points an axis on (batch, *grid, feature)."""

    def __init__(
        self, before: int, after: int, boundary: tuple[Boundary, ...], *, zero: bool = False
    ) -> None:
        super().__init__()
        self.boundary = boundary
        self.weight = nn.Parameter(torch.zeros(after, before, *[3] * len(boundary)))
        self.bias = nn.Parameter(torch.zeros(after))
        if not zero:
            nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tokens) -> Tokens:
        """Filter all features together."""
        return filter_extended(x, self.weight, self.bias, self.boundary)


def _zero_linear(before: int, after: int, *, bias: bool = False) -> nn.Linear:
    linear = nn.Linear(before, after, bias=bias)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


class Weights(nn.Module):
    """The convolutions of one scale, or of all; ``ask`` and ``told`` where there is a coarser."""

    def __init__(self, config: PyramidConfig, *, coarser: bool) -> None:
        super().__init__()
        boundary, fine, wide = config.boundary, config.features, 2 * config.features
        cell = fine * 2 ** len(boundary)
        self.first = Convolution(config.in_channels, fine, boundary)
        self.enter = Convolution(cell, wide, boundary)
        self.inner = Convolution(wide, wide, boundary)
        self.leave = Convolution(wide, cell, boundary)
        if coarser:
            self.ask, self.told = _zero_linear(wide, fine), _zero_linear(fine, wide)


class Attention(nn.Module):
    """Centred linear attention with rotary places and a gate, of normalised cells; starts as zero.

    What comes back from coarse grids may be of any size: each sample is divided by its own.
    """

    def __init__(self, width: int, boundary: tuple[Boundary, ...]) -> None:
        super().__init__()
        self.project = nn.Linear(width, 4 * width)
        self.out = _zero_linear(width, width, bias=True)
        vectors = wave_vectors(boundary, HEADS, width // (2 * HEADS))
        self.vectors: Tensor
        self.register_buffer("vectors", vectors, persistent=False)

    def forward(self, x: Tokens) -> Tokens:
        """Return what is added to the cells."""
        grid, t = tuple(x.shape[1:-1]), x.flatten(1, -2)
        t = t * (t.square().mean((1, 2), keepdim=True) + _EPS).rsqrt()
        *parts, gate = self.project(t).chunk(4, -1)
        query, key, value = (part.unflatten(-1, (HEADS, -1)) for part in parts)
        mixed = centred_attention(query, key, value, rotation(self.vectors, grid)).flatten(2)
        return self.out(torch.addcmul(mixed, mixed, gate)).unflatten(1, grid)


class Block(nn.Module):
    """The V: features of the points, cells, the coarser scale's answer, and back to the points.

    The answer of the cells is added to the features and, bounded, multiplies them, as in the
    refinement of waveliT: coefficients times derivatives are one product away.
    """

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__()
        boundary, scales, wide = config.boundary, config.scales, 2 * config.features
        self.boundary, self.scales = boundary, scales
        own = 1 if config.shared else scales
        self.weights = nn.ModuleList(
            Weights(config, coarser=level + 1 < scales) for level in range(own)
        )
        self.last = Convolution(config.features, config.out_channels, boundary, zero=True)
        widths = (config.features, wide, config.features * 2 ** len(boundary))
        self.film = nn.ParameterList(
            torch.stack([torch.ones(scales, width), torch.zeros(scales, width)])
            for width in widths
            if config.film and scales > 1
        )
        attends = config.attention and scales > 1
        self.attention = Attention(wide, boundary) if attends else None
        told = sum(2 * len(_HARMONICS) if name == "periodic" else 2 for name in boundary)
        self.place = _zero_linear(told, wide) if config.place else None

    def forward(self, fields: list[Tokens]) -> Tokens:
        """Return the update from the fields of each scale, the finest first."""
        return self.last(self._run(fields, 0, None))

    def _run(self, fields: list[Tokens], level: int, asked: Tokens | None) -> Tokens:
        weights = cast("Weights", self.weights[min(level, len(self.weights) - 1)])
        x = self._scaled(weights.first(fields[level]), 0, level)
        if asked is not None:
            x = x + asked
        y = weights.enter(cells(F.silu(x)))
        if self.place is not None:
            y = y + self.place(places(tuple(y.shape[1:-1]), self.boundary, y))
        y = F.silu(self._scaled(y, 1, level))
        if level + 1 < self.scales:
            y = y + weights.told(self._run(fields, level + 1, weights.ask(y)))
        if self.attention is not None and level > 0:
            y = y + self.attention(y)
        y = self._scaled(weights.leave(F.silu(weights.inner(y))), 2, level)
        y = points(y, len(self.boundary))
        return torch.addcmul(x + F.silu(x) + y, x, torch.tanh(y))

    def _scaled(self, x: Tokens, where: int, level: int) -> Tokens:
        if not len(self.film):
            return x
        gain, bias = self.film[where][:, level]
        return torch.addcmul(bias, x, gain)


def places(grid: tuple[int, ...], boundary: tuple[Boundary, ...], like: Tensor) -> Tensor:
    """Return (*grid, number): waves on periodic axes, else the place and the distance to an end."""
    found = []
    for axis, (size, name) in enumerate(zip(grid, boundary, strict=True)):
        x = (2 * torch.arange(size, device=like.device, dtype=like.dtype) + 1 - size) / size
        x = x.view([size if a == axis else 1 for a in range(len(grid))]).expand(grid)
        if name == "periodic":
            waves = itertools.product(_HARMONICS, (torch.cos, torch.sin))
            found += [wave(n * math.pi * x) for n, wave in waves]
        else:
            found += [x, 1 - x.abs()]
    return torch.stack(found, -1)


class Pyramid(nn.Module):
    """The block between fields in the units of the data: what stays of the state, and an update."""

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__()
        self.config = config
        self.block = Block(config)
        shape = (-1, *[1] * len(config.boundary))
        for name in ("mean", "scale"):
            self.register_buffer(f"in_{name}", torch.zeros(config.in_channels).view(shape))
        for name in ("mean", "scale", "stays"):
            self.register_buffer(f"out_{name}", torch.zeros(config.out_channels).view(shape))

    @torch.no_grad()
    def fit_statistics(self, before: Field, after: Field) -> None:
        """Measure the data: means, scales, and the share of the state's deviation that stays."""
        axes = (0, *range(2, before.ndim))
        self.in_mean, scale = before.mean(axes, keepdim=True)[0], before.std(axes, keepdim=True)[0]
        # constant up to rounding: there is nothing to scale
        self.in_scale = torch.where(scale > 1e-5 * self.in_mean.abs() + 1e-12, scale, 1.0)
        self.out_mean = after.mean(axes, keepdim=True)[0]
        state = self._state(before)
        change = after - self.out_mean
        mean = (state * change).mean(axes, keepdim=True) / state.square().mean(axes, keepdim=True)
        self.out_stays = mean[0].clamp(0, 1)
        rest = change - self.out_stays * state
        self.out_scale = rest.square().mean(axes, keepdim=True)[0].sqrt()

    def forward(self, u: Field) -> Field:
        """Return the next state of (batch, channel, *space), of any size."""
        ndim = len(self.config.boundary)
        padded = pad_to_levels(u, self.config.scales, self.config.boundary)
        fields = [((padded - self.in_mean) / self.in_scale).movedim(1, -1)]
        for _ in range(1, self.config.scales):
            fields.append(cells(fields[-1]).unflatten(-1, (2**ndim, -1)).mean(-2))
        update = crop(self.block(fields).movedim(-1, 1), tuple(u.shape[2:]))
        return self.out_mean + self.out_stays * self._state(u) + self.out_scale * update

    def _state(self, u: Field) -> Field:
        out = self.config.out_channels
        return u[:, :out] - self.in_mean[:out]
