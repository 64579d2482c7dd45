"""Component 1: fields to wavelet tokens and back, without loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.constants import ModuleWithConstants
from wavelit_plugin.shapes import Field, Tokens
from wavelit_plugin.wavelets import WaveletCoefficients, dwt, idwt


class Bands(ModuleWithConstants):
    """The order in which the coefficients of one token stand beside each other.

    A token covers ``2**levels`` points an axis and holds as many coefficients of each channel:
    the approximation, then the orientations of each level, coarsest first, the finer ones
    folded by space-to-depth onto the token's grid. All coefficients of one level and orientation
    are one band.
    """

    band: Tensor
    share: Tensor

    def __init__(self, ndim: int, levels: int) -> None:
        super().__init__()
        orientations = 2**ndim - 1
        self.count = 1 + levels * orientations
        self.sizes = [1]
        for depth in range(levels):
            self.sizes += [2 ** (ndim * depth)] * orientations
        # of a coefficient its band, of a band its share of the coefficients, a power of two; kept
        # where the model is, since a GPU would wait for what is sent to it in every step
        self.register_constant("band", self._band)
        self.register_constant("share", self._share)

    def _band(self) -> Tensor:
        sizes = torch.tensor(self.sizes)
        return torch.arange(self.count).repeat_interleave(sizes, output_size=sum(self.sizes))

    def _share(self) -> Tensor:
        return torch.tensor(self.sizes) / sum(self.sizes)

    def spread(self, values: Tensor) -> Tensor:
        """Repeat (..., band) values for each coefficient of a token: (..., coefficient)."""
        return values.index_select(-1, self.band)

    def mean(self, values: Tensor) -> Tensor:
        """Average (..., band) values over the coefficients of a token."""
        # no product of matrices, which autocast would do in half precision
        return (values * self.share).sum(-1)


def tokenize(u: Field, config: WaveLiTConfig, levels: int | None = None) -> Tokens:
    """Return (batch, *grid, channel * coefficient) orthonormal wavelet coefficients.

    With fewer ``levels`` than the configuration has, the coefficients are those of a grid as much
    finer on which the field is constant in each cell: the finest bands are zero.
    """
    levels = config.levels if levels is None else levels
    coefficients = dwt(u, wavelet=config.wavelet, levels=levels, boundary=config.axes)
    parts = [coefficients.approximation.unsqueeze(2)]
    for depth, detail in enumerate(reversed(coefficients.details)):
        parts.append(_fold(detail, 2**depth, config.ndim))
    bands = torch.cat(parts, dim=2)
    if absent := config.levels - levels:
        bands = bands * 2.0 ** (absent * config.ndim / 2)
        lacking = 2 ** (config.ndim * config.levels) - bands.shape[2]
        bands = F.pad(bands, [0, 0] * config.ndim + [0, lacking])
    return bands.flatten(1, 2).movedim(1, -1)


def detokenize(
    tokens: Tokens, space: tuple[int, ...], config: WaveLiTConfig, levels: int | None = None
) -> Field:
    """Invert ``tokenize`` for a field of ``space`` points; bands finer than its grid are left."""
    levels = config.levels if levels is None else levels
    coefficients = 2 ** (config.ndim * config.levels)
    bands = tokens.movedim(-1, 1).unflatten(1, (-1, coefficients))
    orientations = 2**config.ndim - 1
    sizes = [1, *(orientations * 2 ** (config.ndim * depth) for depth in range(levels))]
    if absent := config.levels - levels:
        bands = bands.narrow(2, 0, sum(sizes)) * 2.0 ** (-absent * config.ndim / 2)
    approximation, *folded = bands.split(sizes, dim=2)
    details = [
        _unfold(part, 2**depth, config.ndim, orientations) for depth, part in enumerate(folded)
    ]
    low, finest_first = approximation.squeeze(2), tuple(reversed(details))
    return idwt(WaveletCoefficients(low, finest_first, space, config.wavelet, config.axes))


def _fold(detail: Tensor, factor: int, ndim: int) -> Tensor:
    """(b, c, o, *fine) to (b, c, o * factor**ndim, *grid): space to depth."""
    if factor == 1:
        return detail
    for axis in range(-ndim, 0):
        # the inner position of each axis moves behind the orientation, in the order of the axes
        detail = detail.unflatten(axis, (-1, factor)).movedim(axis, 3 + axis + ndim)
    return detail.flatten(2, 2 + ndim)


def _unfold(part: Tensor, factor: int, ndim: int, orientations: int) -> Tensor:
    """Inverse of ``_fold``."""
    if factor == 1:
        return part
    part = part.unflatten(2, (orientations, *(factor,) * ndim))
    for axis in reversed(range(-ndim, 0)):
        moved = part.movedim(3 + axis + ndim, axis)
        part = moved.flatten(axis - 1, axis)
    return part
