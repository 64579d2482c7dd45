"""Variants of WaveLiT that the ablations compare: one thing changed, everything else as it is.

A variant is a change of the configuration, or a part put in another's place by the functions here.
They are plain and slow on purpose: what is compared is accuracy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.attention_forms import attention, identity_kernel, nothing, plain_ratio
from benchmarks.muon import MuonOptimizer
from wavelit_plugin.compare.training import Optimizer
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.convolution import convolve
from wavelit_plugin.model.extension import extend
from wavelit_plugin.model.norm import GroupRMS
from wavelit_plugin.model.normalizer import Normalizer
from wavelit_plugin.model.pyramid import FeaturePyramid
from wavelit_plugin.model.refinement import Refinement

Change = Callable[[WaveLiT], None]


class TokenRMS(nn.Module):
    """One root mean square a token, as in language models."""

    def __init__(self, own: GroupRMS) -> None:
        super().__init__()
        self.gain, self.shift = own.gain, own.shift

    def forward(self, x: Tensor, scale: int = 0) -> Tensor:
        """Normalise (batch, *grid, width)."""
        return torch.addcmul(
            self.shift[scale], F.rms_norm(x, x.shape[-1:], eps=1e-6), self.gain[scale]
        )


class FieldScales(Normalizer):
    """One scale a field instead of one for each of its bands."""

    def _scale(self, square: Tensor, mean: Tensor) -> Tensor:
        one = super()._scale(self.bands.mean(square)[:, None].expand_as(square), mean)
        return one.contiguous()


class UnsharedBlock(nn.Module):
    """A block with weights of its own at every scale of the pyramid."""

    def __init__(self, own: nn.Module, scales: int) -> None:
        super().__init__()
        self.at_scale = nn.ModuleList([own, *(copy.deepcopy(own) for _ in range(scales - 1))])

    def forward(self, x: Tensor, scale: int, *rest: object) -> Tensor:
        """Advance the tokens of one scale."""
        return self.at_scale[scale](x, scale, *rest)


class Wrapped(nn.Module):
    """A model that is trained in another way."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, u: Tensor) -> Tensor:
        """Predict."""
        return self.model(u)


class ByMuon(Wrapped):
    """A model that is trained by ``MuonOptimizer``."""


def optimizer(model: nn.Module, learning_rate: float) -> Optimizer:
    """Return how a variant is trained, in place of ``Optimizer`` itself."""
    return (MuonOptimizer if isinstance(model, ByMuon) else Optimizer)(model, learning_rate)


class Averaged(Wrapped):
    """A model whose weights are averaged over the steps, and used so when it is evaluated."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__(model)
        self.average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        ).requires_grad_(requires_grad=False)

    def forward(self, u: Tensor) -> Tensor:
        """Predict; in training, take note of the weights that the last step left."""
        if not self.training:
            return self.average(u)
        self.average.update_parameters(self.model)
        return self.model(u)


class NoTexture(nn.Module):
    """Tokens of the linear embedding alone."""

    def forward(self, u: Tensor, levels: int) -> Tensor:
        """Add nothing to the tokens."""
        del levels
        return u.new_zeros(())


class NoRefinement(nn.Module):
    """Nothing after the inverse transform."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, u: Tensor) -> Tensor:
        """Return no correction of (batch, channel, *space)."""
        return torch.zeros_like(u[:, : self.channels])


class AddedRefinement(Refinement):
    """What the cells answer is added, and nothing is multiplied."""

    def joined(self, linear: Tensor, answer: Tensor) -> Tensor:
        """Return an activated sum."""
        return F.silu(F.silu(linear) + answer)


class PointRefinement(nn.Module):
    """Four convolutions on the points, 32 wide in 2-D, and none on cells of two."""

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.boundary, hidden = config.axes, 2 ** (7 - config.ndim)
        self.padding = [1 if name == "open" else 0 for name in config.axes]
        widths = [config.in_channels + config.out_channels, *[hidden] * 3, config.out_channels]
        self.weights = nn.ParameterList(
            torch.empty(after, before, *[3] * config.ndim) for before, after in pairwise(widths)
        )
        self.biases = nn.ParameterList(torch.zeros(after) for after in widths[1:])
        for weight in self.weights[:-1]:
            nn.init.kaiming_uniform_(weight, a=5**0.5)
        nn.init.zeros_(self.weights[-1])

    def forward(self, u: Tensor) -> Tensor:
        """Return the correction of each output channel of (batch, channel, *space)."""
        x = u.movedim(1, -1).contiguous()
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.silu(x) if layer else x
            x = convolve(extend(x, self.boundary), weight, bias, self.padding, groups=1)
        return x.movedim(-1, 1)


def _norm_per_token(model: WaveLiT) -> None:
    for block in model.pyramid.blocks:
        block.norms = nn.ModuleList(
            TokenRMS(cast(GroupRMS, norm)) for norm in cast(nn.ModuleList, block.norms)
        )
    model.head.norm = TokenRMS(model.head.norm)  # type: ignore[assignment]


def _field_scales(model: WaveLiT) -> None:
    model.normalizer = FieldScales(model.config)


def _unshared(model: WaveLiT) -> None:
    pyramid: FeaturePyramid = model.pyramid
    pyramid.blocks = nn.ModuleList(UnsharedBlock(b, pyramid.scales) for b in pyramid.blocks)


def _no_refinement(model: WaveLiT) -> None:
    model.refinement = NoRefinement(model.config.out_channels)  # type: ignore[assignment]


def _no_texture(model: WaveLiT) -> None:
    model.texture = NoTexture()  # type: ignore[assignment]


def _refinement_by_sums(model: WaveLiT) -> None:
    model.refinement.__class__ = AddedRefinement  # the same weights, joined otherwise


def _refinement_on_points(model: WaveLiT) -> None:
    model.refinement = PointRefinement(model.config)  # type: ignore[assignment]


def _in_bfloat16(model: WaveLiT) -> None:
    """Multiply in bfloat16, as autocast does; the weights and the result stay in float32."""
    forward = model.forward

    def in_half(u: Tensor, *rest: Tensor, **given: Tensor) -> Tensor:
        with torch.autocast(u.device.type, torch.bfloat16):
            return forward(u, *rest, **given)

    model.forward = in_half  # type: ignore[method-assign, assignment]


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "field scales": _field_scales,
        "norm per token": _norm_per_token,
        "identity kernel": attention(identity_kernel),
        "plain ratio": attention(plain_ratio),
        "no attention": attention(nothing),
        "no gain": attention(gain=False),
        "no gate": attention(gate=False),
        "no local term": attention(local=False),
        "no long waves": attention(waves=False),
        "no texture": _no_texture,
        "no refinement": _no_refinement,
        "refinement by sums": _refinement_by_sums,
        "refinement on points": _refinement_on_points,
        "unshared": _unshared,
        "bfloat16": _in_bfloat16,
    }
)
"""The parts that ``ablations.yaml`` may name."""

CRITERIA: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {
        "vrmse": partial(WaveletLoss, weight=0.0, final_weight=0.0),
        "heavy wavelet": partial(WaveletLoss, weight=1.0, final_weight=0.2),
    }
)
"""The criteria that ``ablations.yaml`` may name beside the registered ones."""
