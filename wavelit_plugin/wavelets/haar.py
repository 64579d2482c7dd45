"""One level of the Haar transform: sums and differences of neighbours, no convolution.

Two taps never reach over a boundary, so this is exact for every boundary condition on even sizes.
Outer axes come first, because whole rows stay together there; the last axis reads or writes with a
stride, straight from or into its place: 1.2 to 2.1 times as fast as the plain formula. The
transform is linear and orthonormal, so each of the two is the gradient of the other, and its own
directional derivative. Whatever records operations (compiler, exporter, TorchScript's tracer) gets
the plain formula: out of it the compiler makes one pass over memory, and a Function would stop it.
On a GPU one kernel does a level (``haar_triton``), where Triton is there and works.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn


def haar_analysis(u: Tensor) -> tuple[Tensor, Tensor]:
    """Split the even space axes of (batch, channel, *space): approximation and details.

    Returns:
        (batch, channel, *half) and (batch, channel, orientation, *half), as WaveletCoefficients
        counts them.
    """
    if _plainly(u):
        return _analysis(u)
    coarse, detail = _Analysis.apply(u)  # type: ignore[no-untyped-call]
    return coarse, detail


def haar_synthesis(coarse: Tensor, detail: Tensor) -> Tensor:
    """Invert ``haar_analysis``."""
    if _plainly(coarse) or _plainly(detail):
        return _synthesis(coarse, detail)
    u: Tensor = _Synthesis.apply(coarse, detail)  # type: ignore[no-untyped-call]
    return u


def _plainly(u: Tensor) -> bool:
    """Say whether operations are recorded, or mapped by what no Function can have a rule for."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[no-untyped-call, attr-defined]
    if tracing or torch.compiler.is_compiling():
        return True
    # of torch.autograd.grad(..., is_grads_batched=True), which has a vmap of its own
    batched: bool = torch._C._functorch.is_legacy_batchedtensor(u)  # noqa: SLF001  (nothing public)
    return batched


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
    even, odd = (_interleaved(merged, axis + 1) for merged in _merge_first(bands))
    points = 2 * even.shape[axis]
    both = torch.stack([even, odd], axis + 1)
    return both.reshape(*even.shape[:axis], points, *even.shape[axis + 1 :])


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
            torch.add(even, odd, out=detail[:, :, 2 * index - 1] if index else coarse)
            torch.sub(even, odd, out=detail[:, :, 2 * index])
        scale = 0.5 ** (ndim / 2)
        return coarse.mul_(scale), detail.mul_(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        pass  # linear: the gradient needs no value

    @staticmethod
    def backward(_ctx: Any, coarse: Tensor, detail: Tensor) -> Tensor:
        return haar_synthesis(coarse, detail)

    @staticmethod
    def jvp(_ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        return haar_analysis(u)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int], u: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        coarse, detail = _mapped(haar_analysis, info.batch_size, in_dims, u)
        return (coarse, detail), (0, 0)


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
            torch.add(low, high, out=out[even])
            torch.sub(low, high, out=out[odd])
        return out.mul_(0.5 ** (ndim / 2))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass  # linear: the gradient needs no value

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return haar_analysis(gradient)

    @staticmethod
    def jvp(_ctx: Any, coarse: Tensor, detail: Tensor) -> Tensor:
        return haar_synthesis(coarse, detail)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *bands: Tensor) -> tuple[Tensor, int]:
        (u,) = _mapped(lambda *b: [haar_synthesis(*b)], info.batch_size, in_dims, *bands)
        return u, 0


def _mapped(
    call: Callable[..., Iterable[Tensor]], size: int, dims: tuple[int | None, ...], *inputs: Tensor
) -> list[Tensor]:
    """Call once for all of a mapped axis, which joins the batch."""
    apart = [
        u.expand(size, *u.shape) if dim is None else u.movedim(dim, 0)
        for u, dim in zip(inputs, dims, strict=True)
    ]
    found = call(*(u.flatten(0, 1) for u in apart))
    return [u.unflatten(0, apart[0].shape[:2]) for u in found]


def _phases(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    axis = axis % u.ndim
    # no unflatten and no flatten: the vmap of is_grads_batched has none
    cells = u.shape[axis] // 2
    even, odd = u.reshape(*u.shape[:axis], cells, 2, *u.shape[axis + 1 :]).unbind(axis + 1)
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
