"""One level of the Haar transform: sums and differences of neighbours, no convolution.

Two taps never reach over a boundary, so this is exact for every boundary condition on even sizes.
Axes are split first to last: splitting an outer axis keeps whole rows together, so only the last,
already halved, pass reads with a stride. The scale 2**(-ndim/2) is applied once a level, in place
on a tensor made here, which neither autograd nor the caller keeps.
"""

import torch
from torch import Tensor


def haar_analysis(u: Tensor, ndim: int) -> list[Tensor]:
    """Split the last ``ndim`` (even) axes; 2**ndim bands, counted in binary as in Pyramid."""
    bands = [half.mul_(0.5 ** (ndim / 2)) for half in _split(u, -ndim)]
    for axis in range(1 - ndim, 0):
        bands = [half for band in bands for half in _split(band, axis)]
    return bands


def haar_synthesis(bands: list[Tensor], ndim: int) -> Tensor:
    """Invert ``haar_analysis``."""
    for axis in range(-1, -ndim - 1, -1):
        bands = [_merge(low, high, axis) for low, high in zip(bands[::2], bands[1::2], strict=True)]
    return bands[0].mul_(0.5 ** (ndim / 2))


def _split(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    even, odd = u.unflatten(axis, (-1, 2)).unbind(axis)
    return even + odd, even - odd


def _merge(low: Tensor, high: Tensor, axis: int) -> Tensor:
    return torch.stack([low + high, low - high], dim=axis).flatten(axis - 1, axis)
