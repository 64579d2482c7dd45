"""One level of the Haar transform: sums and differences of neighbours, no convolution.

Two taps never reach over a boundary, so this is exact for every boundary condition on even sizes.
Outer axes come first, because whole rows stay together there; the last axis reads or writes with a
stride, straight from or into its place. The transform is orthonormal, so each of the two is the
gradient of the other. The compiler gets the same sums without places to write to: it makes one pass
over memory of them, and that is where it would stop. On a GPU one kernel does a level
(``haar_triton``), where Triton is there and works.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import warnings
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.wavelets.writing import evaluate, write


def haar_analysis(u: Tensor) -> tuple[Tensor, Tensor]:
    """Split the even space axes of (batch, channel, *space): approximation and details.

    Returns:
        (batch, channel, *half) and (batch, channel, orientation, *half), counted as in Pyramid.
    """
    if torch.compiler.is_compiling():
        return _analysis(u)
    coarse, detail = evaluate(_Analysis, u)
    return coarse, detail


def haar_synthesis(coarse: Tensor, detail: Tensor) -> Tensor:
    """Invert ``haar_analysis``."""
    if torch.compiler.is_compiling():
        return _synthesis(coarse, detail)
    u: Tensor = evaluate(_Synthesis, coarse, detail)
    return u


def _analysis(u: Tensor) -> tuple[Tensor, Tensor]:
    parts = [u]
    for axis in range(2, u.ndim):
        parts = [phase for part in parts for phase in _phases(part, axis)]
    # all bands in one tensor: an approximation that is not written, the compiler computes anew,
    # from the field, for everything that the next level does with it
    scaled = [0.5 ** ((u.ndim - 2) / 2) * band for band in _hadamard(parts)]
    bands = torch.stack(scaled, 2)
    return bands[:, :, 0], bands[:, :, 1:]


def _synthesis(coarse: Tensor, detail: Tensor) -> Tensor:
    # as the compiler foresees the layout of products of other layouts, it may be another
    bands = [coarse.contiguous(), *detail.contiguous().unbind(2)]
    return _interleaved([0.5 ** ((coarse.ndim - 2) / 2) * band for band in bands], axis=2)


def _interleaved(bands: list[Tensor], axis: int) -> Tensor:
    """Merge the bands on this space axis and those after it."""
    if len(bands) == 1:
        return bands[0]
    halves = [_interleaved(merged, axis + 1) for merged in _merge_first(bands)]
    return torch.stack(halves, axis + 1).flatten(axis, axis + 1)


def _hadamard(parts: list[Tensor]) -> list[Tensor]:
    """Sums and differences on each axis, the first axis in the highest bit; twice is 2**n."""
    if len(parts) == 1:
        return parts
    return [band for merged in _merge_first(parts) for band in _hadamard(merged)]


class _Analysis(torch.autograd.Function):
    @staticmethod
    def forward(u: Tensor) -> tuple[Tensor, Tensor]:
        if kernels := _kernels_for(u):
            coarse, detail = kernels.analyse(u)
            return coarse, detail
        ndim = u.ndim - 2
        rows = [u]
        for axis in range(2, u.ndim - 1):
            rows = [half for row in rows for half in _sum_and_difference(*_phases(row, axis))]
        half = [size // 2 for size in u.shape[2:]]
        coarse = u.new_empty(*u.shape[:2], *half)
        detail = u.new_empty(*u.shape[:2], 2**ndim - 1, *half)
        for index, row in enumerate(rows):
            even, odd = _phases(row, -1)
            write(detail[:, :, 2 * index - 1] if index else coarse, torch.add, even, odd)
            write(detail[:, :, 2 * index], torch.sub, even, odd)
        scale = 0.5 ** (ndim / 2)
        return coarse.mul_(scale), detail.mul_(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        pass  # linear: the gradient needs no value

    @staticmethod
    def backward(_ctx: Any, coarse: Tensor, detail: Tensor) -> Tensor:
        return haar_synthesis(coarse, detail)


class _Synthesis(torch.autograd.Function):
    @staticmethod
    def forward(coarse: Tensor, detail: Tensor) -> Tensor:
        if kernels := _kernels_for(coarse):
            u: Tensor = kernels.synthesise(coarse, detail)
            return u
        ndim = coarse.ndim - 2
        groups = [[coarse, *detail.unbind(2)]]  # by position on the axes that are merged
        for _ in range(ndim - 1):
            groups = [merged for bands in groups for merged in _merge_first(bands)]
        out = coarse.new_empty(*coarse.shape[:2], *(2 * size for size in coarse.shape[2:]))
        halves = (slice(0, None, 2), slice(1, None, 2))
        for rows, (low, high) in zip(
            itertools.product(halves, repeat=ndim - 1), groups, strict=True
        ):
            even, odd = ((slice(None), slice(None), *rows, half) for half in halves)
            write(out[even], torch.add, low, high)
            write(out[odd], torch.sub, low, high)
        return out.mul_(0.5 ** (ndim / 2))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass  # linear: the gradient needs no value

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return haar_analysis(gradient)


def _phases(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    even, odd = u.unflatten(axis, (-1, 2)).unbind(axis if axis < 0 else axis + 1)
    return even, odd


def _sum_and_difference(even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
    return even + odd, even - odd


def _merge_first(bands: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Both positions on the first axis that the bands still split."""
    half = len(bands) // 2
    pairs = [_sum_and_difference(*pair) for pair in zip(bands[:half], bands[half:], strict=True)]
    return [even for even, _ in pairs], [odd for _, odd in pairs]


def _kernels_for(u: Tensor) -> ModuleType | None:
    """Return the GPU kernels if they can take a tensor: a subclass may have no memory to read."""
    return _kernels(u.device) if u.is_cuda and type(u) in {Tensor, nn.Parameter} else None


@functools.cache
def _kernels(device: torch.device) -> ModuleType | None:
    """Return the GPU kernels if a trial of them works on a device."""
    if find_spec("triton") is None:
        return None
    try:
        kernels = importlib.import_module("wavelit_plugin.wavelets.haar_triton")
        u = torch.arange(16.0, device=device).view(1, 1, 4, 4)
        found = kernels.analyse(u)
        torch.testing.assert_close((*found, kernels.synthesise(*found)), (*_analysis(u), u))
    except Exception as error:  # noqa: BLE001  (a compiler's, a driver's or an old card's)
        said = str(error).partition("\n")[0]
        warnings.warn(
            f"Triton is installed but does not work on {device} ({type(error).__name__}: {said}); "
            "the wavelet transform does without it, slower",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return kernels
