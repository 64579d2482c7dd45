"""Noise on the state that a model in training continues, so that it learns to take errors back."""

from __future__ import annotations

import torch
from torch import Tensor

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.normalizer import Scales
from wavelit_plugin.model.tokenizer import Bands, detokenize
from wavelit_plugin.shapes import Field


def with_noise(u: Field, config: WaveLiTConfig, bands: Bands, known: Scales) -> Field:
    """Return (batch, in_channels, *space) with Gaussian noise on the fields that persist.

    In a roll-out a model is fed its own errors; what the input is off by, the target is not. Each
    sample has an amplitude of its own, uniform in 0..``config.noise``, so that clean states stay
    part of the training. In a wavelet band the noise has that share of the geometric mean of the
    band's scale and the field's: more than the field itself has where it is smooth, because that is
    where errors grow unseen. Several frames get a random walk that ends with all of it, as the
    errors of a roll-out do (Sanchez-Gonzalez et al. 2020, arXiv 2002.09405). Constants, and fields
    of which the output is no continuation, are left alone.
    """
    layout = config.channels
    history = layout.frames * layout.fields
    size = len(u), layout.frames
    amplitude = config.noise * torch.rand(len(u), *[1] * (u.ndim - 1), device=u.device)
    walk = _drawn(u, config, bands, known).unflatten(0, size).cumsum(1) * layout.frames**-0.5
    noise = amplitude.to(walk.dtype) * walk.flatten(1, 2)
    moved = u[:, :history] + noise.to(u.dtype)
    return torch.cat([moved, u[:, history:]], dim=1)


def _drawn(u: Field, config: WaveLiTConfig, bands: Bands, known: Scales) -> Tensor:
    """(batch * frames, field, *space) noise of amplitude 1, independent."""
    layout, space = config.channels, tuple(u.shape[2:])
    levels = config.levels_on(space)
    scale = known.input_scale[: layout.fields]
    field = bands.mean(scale.square()).sqrt()[:, None]
    persists = (known.persistence[: layout.fields] > 0)[:, None]
    # of fewer levels, a coefficient of a token is larger than that of the field
    larger = 2.0 ** ((config.levels - levels) * config.ndim / 2)
    deviation = bands.spread((scale * field * larger).sqrt() * persists).flatten()
    grid = [-(-points // 2**levels) for points in space]
    normal = torch.randn(
        len(u) * layout.frames, *grid, len(deviation), device=u.device, dtype=deviation.dtype
    )
    return detokenize(normal * deviation, space, config, levels)
