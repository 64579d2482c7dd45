"""One level of an orthogonal transform in periodization form, axis by axis, for any filter.

The same convention as PyWavelets' mode ``periodization``: output k of n/2 looks at the points
2k + 1 - taps/2 ... 2k + taps/2, indices modulo the size. The axis is extended once, then every tap
adds a shifted slice: no window is ever laid out, and autograd keeps nothing but shapes.
"""

from functools import partial

import torch
from torch import Tensor

from wavelit_plugin.wavelets.filters import filter_taps

Bank = tuple[tuple[float, ...], tuple[float, ...]]


def periodized_analysis(u: Tensor, ndim: int, wavelet: str) -> list[Tensor]:
    """Split the last ``ndim`` (even) axes; 2**ndim bands, in the order of WaveletCoefficients."""
    split = partial(_split, bank=filter_taps(wavelet))
    bands = [u]
    for axis in range(-ndim, 0):
        bands = [half for band in bands for half in split(band, axis)]
    return bands


def periodized_synthesis(bands: list[Tensor], ndim: int, wavelet: str) -> Tensor:
    """Invert ``periodized_analysis``."""
    merge = partial(_merge, bank=filter_taps(wavelet))
    for axis in range(-1, -ndim - 1, -1):
        bands = [merge(low, high, axis) for low, high in zip(bands[::2], bands[1::2], strict=True)]
    return bands[0]


def _split(u: Tensor, axis: int, bank: Bank) -> tuple[Tensor, Tensor]:
    half, reach = u.shape[axis] // 2, len(bank[0]) // 2
    phases = _extend(u, axis, reach - 1, reach - 1).unflatten(axis, (-1, 2)).unbind(axis)
    # tap t meets point 2k + t of the extended axis: phase t % 2, shifted by t // 2
    shifted = [phases[t % 2].narrow(axis, t // 2, half) for t in range(2 * reach)]
    return _weigh(shifted, bank[0]), _weigh(shifted, bank[1])


def _merge(low: Tensor, high: Tensor, axis: int, bank: Bank) -> Tensor:
    half, reach = low.shape[axis], len(bank[0]) // 2
    # point 2q + p - (reach - 1) gathers tap p + 2s of coefficient q - s
    extended = [_extend(band, axis, reach - 1, 0) for band in (low, high)]
    shifted = [band.narrow(axis, reach - 1 - s, half) for band in extended for s in range(reach)]
    phases = [_weigh(shifted, bank[0][p::2] + bank[1][p::2]) for p in range(2)]
    return torch.stack(phases, dim=axis).flatten(axis - 1, axis).roll(1 - reach, dims=axis)


def _extend(u: Tensor, axis: int, before: int, after: int) -> Tensor:
    size = u.shape[axis]
    index = torch.arange(-before, size + after, device=u.device) % size
    return u.index_select(axis, index)


def _weigh(parts: list[Tensor], weights: tuple[float, ...]) -> Tensor:
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total = total.add_(part, alpha=weight)
    return total
