"""Gaussian noise with the spectrum of a model's own one-step error, wavelet band by band.

In a roll-out a model is fed what it predicted, true state plus error. Training on states that are
off the truth by noise of that error's spectrum, with the true next state as the target, teaches it
to pull back. The bands are those of the orthonormal Haar transform, a power for each field, level
and orientation.

That noise on inputs makes roll-outs last: Sanchez-Gonzalez et al. (2020), arXiv 2002.09405, there
with one variance for all. The shape is this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import Field, full_precision, per_axis
from wavelit_plugin.wavelets import WaveletCoefficients, dwt, idwt, padded_size

BandPower = Float[Tensor, "_channel _band"]
"""Mean squares: the approximation's, then those of each level's orientations, finest first."""

LEVELS = 3


@torch.no_grad()
def band_power(
    u: Field, *, levels: int = LEVELS, boundary: str | Sequence[str] = "periodic"
) -> BandPower:
    """Return the mean square of every Haar band, over batch and positions.

    Args:
        u: (batch, channel, *space) with at least one sample. Sizes that are no multiple of
            ``2**levels`` are extended, and the extension counts.
        levels: wavelet levels.
        boundary: as for ``dwt``.

    Raises:
        ShapeError, ConfigError: as ``dwt``.

    >>> band_power(torch.ones(1, 1, 8), levels=1).round().tolist()  # of the mean times sqrt(2)
    [[2.0, 0.0]]
    """
    found = dwt(full_precision(u), levels=levels, boundary=boundary)
    bands = [found.approximation[:, :, None], *found.details]
    return torch.cat([band.square().flatten(3).mean(dim=(0, 3)) for band in bands], dim=1)


@torch.no_grad()
def band_noise(
    power: BandPower,
    batch: int,
    space: Sequence[int],
    *,
    levels: int = LEVELS,
    generator: Generator | None = None,
) -> Field:
    """Draw Gaussian fields whose Haar bands have these mean squares; coefficients independent.

    Args:
        power: as ``band_power`` returns it.
        batch: number of samples.
        space: points of each axis.
        levels: wavelet levels of ``power``.
        generator: of the device of ``power``; default torch's own.

    Raises:
        ShapeError: the number of bands does not belong to the levels and axes.
    """
    ndim = len(space)
    _check_bands(power, levels, ndim)
    whole = [padded_size(size, levels) for size in space]
    # one orientation for the approximation, all others for each level, finest first
    (low, *high) = power.sqrt().split([1, *[2**ndim - 1] * levels], dim=1)

    def drawn(scale: Tensor, level: int) -> Tensor:
        size = (batch, *scale.shape, *(points >> level for points in whole))
        normal = torch.randn(size, generator=generator, dtype=power.dtype, device=power.device)
        return normal * scale.reshape(*scale.shape, *(1,) * ndim)

    details = tuple(drawn(scale, level) for level, scale in enumerate(high, start=1))
    # to independent coefficients all boundaries are alike
    axes = per_axis("periodic", ndim)
    return idwt(
        WaveletCoefficients(drawn(low, levels)[:, :, 0], details, tuple(space), "haar", axes)
    )


class BandNoise(nn.Module):
    """Noise on the frames of an input, of the spectrum that the model's error has just now.

    ``update`` it with residuals of training, call it on inputs; before the first update there is no
    noise. Its buffers are part of a checkpoint: ``power_sum`` (field, band) and ``weight`` ().

    With several frames in the input the noise is a random walk over them, as the errors of a
    roll-out are: the last frame has all of the power, frame j of n the share j / n.

    Args:
        fields: that change in time.
        ndim: space axes.
        amplitude: of the noise over that of the error, at least 0; 0 changes nothing.
        frames: in the input.
        levels: wavelet levels, so that errors are told apart up to ``2**levels`` points.
        boundary: as for ``dwt``.
        decay: of the estimate with each update; it looks back over about ``1 / (1 - decay)``.

    Raises:
        ConfigError: a value out of range.
    """

    power_sum: Tensor
    weight: Tensor

    def __init__(
        self,
        fields: int,
        *,
        ndim: int,
        amplitude: float = 1.0,
        frames: int = 1,
        levels: int = LEVELS,
        boundary: str | Sequence[str] = "periodic",
        decay: float = 0.95,
    ) -> None:
        super().__init__()
        for name, count in (("fields", fields), ("frames", frames), ("levels", levels)):
            if count < 1:
                raise ConfigError(f"{name} must be at least 1, got {count}")
        if not 0 <= amplitude < math.inf:
            raise ConfigError(f"amplitude must be at least 0 and finite, got {amplitude}")
        if not 0 <= decay < 1:
            raise ConfigError(f"decay must be at least 0 and below 1, got {decay}")
        self.fields, self.frames, self.levels = fields, frames, levels
        self.amplitude, self.decay = amplitude, decay
        self.boundary = per_axis(boundary, ndim)
        self.register_buffer("power_sum", torch.zeros(fields, _bands(levels, ndim)))
        self.register_buffer("weight", torch.zeros(()))

    @property
    def power(self) -> BandPower:
        """The running mean square of the residual; 0 before the first update."""
        return self.power_sum / self.weight.clamp_min(torch.finfo(self.weight.dtype).tiny)

    @torch.no_grad()
    def update(self, residual: Field) -> None:
        """Take note of errors of single steps from true states.

        Args:
            residual: prediction minus target, (batch, frame_out * field, *space), in the units of
                the state in the input. An empty batch changes nothing.

        Raises:
            ShapeError: no whole number of frames.
        """
        if residual.shape[1] % self.fields or not residual.shape[1]:
            raise ShapeError(
                f"the residual must hold whole frames of {self.fields} fields, got "
                f"{residual.shape[1]} channels; leave out what does not change in time"
            )
        if not len(residual):
            return
        frames = residual.unflatten(1, (-1, self.fields)).flatten(0, 1)
        now = band_power(frames, levels=self.levels, boundary=self.boundary)
        self.power_sum.lerp_(now.to(self.power_sum), 1 - self.decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.decay)

    @torch.no_grad()
    def forward(self, u: Field, generator: Generator | None = None) -> Field:
        """Return the input with noise on its frames; the constants behind them stay.

        Args:
            u: (batch, frame * field + constant, *space), frames oldest first.
            generator: of the device of the buffers; default torch's own.

        Raises:
            ShapeError: less channels than frames and fields.
        """
        history = self.frames * self.fields
        if u.shape[1] < history:
            raise ShapeError(
                f"expected {self.frames} frames of {self.fields} fields, so at least {history} "
                f"channels, got {u.shape[1]}; give the number of frames that the input has"
            )
        if self.amplitude == 0:
            return u
        power = self.power.mul(self.amplitude**2 / self.frames).repeat(self.frames, 1)
        drawn = band_noise(power, len(u), u.shape[2:], levels=self.levels, generator=generator)
        walk = drawn.unflatten(1, (self.frames, self.fields)).cumsum(dim=1).flatten(1, 2)
        moved = full_precision(u[:, :history]) + walk
        return torch.cat([moved.to(u.dtype), u[:, history:]], dim=1)

    def extra_repr(self) -> str:
        """Show the settings when printed."""
        return f"fields={self.fields}, amplitude={self.amplitude}, levels={self.levels}"


def _bands(levels: int, ndim: int) -> int:
    return 1 + levels * (2**ndim - 1)


def _check_bands(power: Tensor, levels: int, ndim: int) -> None:
    expected = _bands(levels, ndim)
    if power.shape[1] != expected:
        raise ShapeError(
            f"{levels} levels of {ndim} axes have {expected} bands, got powers of "
            f"{power.shape[1]}; give the levels and axes that they were measured with"
        )
