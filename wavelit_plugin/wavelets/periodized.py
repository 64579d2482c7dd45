"""One level of an orthogonal transform in periodization form, axis by axis, for any filter.

The same convention as PyWavelets' mode ``periodization``: output k of n/2 looks at the points
2k + 1 - taps/2 ... 2k + taps/2, indices modulo the size. Windows are gathered and multiplied with
the taps, so autograd's backward is the transpose and the inverse is the synthesis below.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor

from wavelit_plugin.wavelets.filters import filter_taps


def periodized_analysis(u: Tensor, ndim: int, wavelet: str) -> list[Tensor]:
    """Split the last ``ndim`` (even) axes; 2**ndim bands, counted in binary as in Pyramid."""
    split = partial(_split, bank=_bank(wavelet, u))
    bands = [u]
    with _own_dtype(u):
        for axis in range(-ndim, 0):
            bands = [half for band in bands for half in split(band, axis)]
    return bands


def periodized_synthesis(bands: list[Tensor], ndim: int, wavelet: str) -> Tensor:
    """Invert ``periodized_analysis``."""
    merge = partial(_merge, bank=_bank(wavelet, bands[0]))
    with _own_dtype(bands[0]):
        for axis in range(-1, -ndim - 1, -1):
            pairs = zip(bands[::2], bands[1::2], strict=True)
            bands = [merge(low, high, axis) for low, high in pairs]
    return bands[0]


def _bank(wavelet: str, like: Tensor) -> Tensor:
    # made in float64 and cast: the taps are the only constants of the transform
    taps = torch.tensor(filter_taps(wavelet), dtype=torch.float64, device=like.device)
    return taps.to(like.dtype)


def _own_dtype(u: Tensor) -> AbstractContextManager[object]:
    # autocast would multiply, and return the bands, in half precision; meta tensors have none
    kind = u.device.type
    if not torch.amp.is_autocast_available(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def _split(u: Tensor, axis: int, bank: Tensor) -> tuple[Tensor, Tensor]:
    size, taps = u.shape[axis], bank.shape[-1]
    start = torch.arange(0, size, 2, device=u.device)[:, None]
    window = (start + torch.arange(taps, device=u.device) - (taps // 2 - 1)) % size
    low, high = (u.movedim(axis, -1)[..., window] @ bank.T).unbind(-1)
    return low.movedim(-1, axis), high.movedim(-1, axis)


def _merge(low: Tensor, high: Tensor, axis: int, bank: Tensor) -> Tensor:
    half, taps = low.shape[axis], bank.shape[-1]
    # point 2q + p - (taps/2 - 1) gathers tap p + 2s of coefficient q - s
    steps = torch.arange(half, device=low.device)[:, None]
    window = (steps - torch.arange(taps // 2, device=low.device)) % half
    low_taps, high_taps = bank.unflatten(-1, (-1, 2))
    pairs = low.movedim(axis, -1)[..., window] @ low_taps
    pairs = pairs + high.movedim(axis, -1)[..., window] @ high_taps
    return pairs.flatten(-2).roll(1 - taps // 2, dims=-1).movedim(-1, axis)
