"""One level of the Haar transform on a GPU: one kernel each way, one pass over memory.

On an H200 three levels and back take 7 times as long as two copies of a large field in single
operations of PyTorch, 3 times compiled by torch.compile, and 1.2 to 1.4 times by these kernels,
about what the coarser levels add; and they are an eighth of the launches, which is what counts on
small grids (benchmarks/README.md).

They are the formulas of ``haar``, which stays the fallback and what these are tested against.

Import it only where Triton is installed; ``TRITON_INTERPRET=1`` runs it without a GPU.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024
_LARGEST = 2**31 - 1  # of 32-bit indices


def analyse(u: Tensor) -> tuple[Tensor, Tensor]:
    """Split the even space axes of (batch, channel, *space) on a GPU, as ``haar_analysis`` does."""
    half = [size // 2 for size in u.shape[2:]]
    coarse = u.new_empty(*u.shape[:2], *half)
    detail = u.new_empty(*u.shape[:2], 2 ** len(half) - 1, *half)
    _launch(_analysis_kernel, u.contiguous(), coarse, detail)
    return coarse, detail


def synthesise(coarse: Tensor, detail: Tensor) -> Tensor:
    """Invert ``analyse``."""
    u = coarse.new_empty(*coarse.shape[:2], *(2 * size for size in coarse.shape[2:]))
    _launch(_synthesis_kernel, u, coarse.contiguous(), detail.contiguous())
    return u


def _launch(kernel: Any, u: Tensor, coarse: Tensor, detail: Tensor) -> None:
    """Run a kernel on contiguous tensors, one program for each block of coarse coefficients."""
    total, half = coarse.numel(), coarse.shape[2:]
    if not total:
        return
    with torch.cuda.device_of(u):
        kernel[(triton.cdiv(total, _BLOCK),)](
            u,
            coarse,
            detail,
            total,
            half.numel(),
            half[-2] if len(half) > 1 else 1,
            half[-1],
            scale=0.5 ** (len(half) / 2),
            ndim=len(half),
            dtype=tl.float64 if u.dtype == torch.float64 else tl.float32,
            wide=u.numel() > _LARGEST,
            block=_BLOCK,
        )


@triton.jit
def _analysis_kernel(
    u,
    coarse,
    detail,
    total,
    half,
    height,
    width,
    scale: tl.constexpr,
    ndim: tl.constexpr,
    dtype: tl.constexpr,
    wide: tl.constexpr,
    block: tl.constexpr,
):
    """Read each point of ``u`` once, write each coefficient once."""
    index, inside, pairs, mask = _places(total, height, width, ndim, wide, block)
    place, row = _bands(index, half, ndim), 2 * width
    if ndim == 1:
        low, high = _split(u + pairs, mask, dtype, scale)
        tl.store(coarse + index, low, mask=inside)
        tl.store(detail + place, high, mask=inside)
    elif ndim == 2:
        low, b1, b2, b3 = _split_rows(u + pairs, row, mask, dtype, scale)
        tl.store(coarse + index, low, mask=inside)
        tl.store(detail + place, b1, mask=inside)
        tl.store(detail + place + half, b2, mask=inside)
        tl.store(detail + place + 2 * half, b3, mask=inside)
    else:
        plane = 2 * height * row
        l0, b10, b20, b30 = _split_rows(u + pairs, row, mask, dtype, scale)
        l1, b11, b21, b31 = _split_rows(u + pairs + plane, row, mask, dtype, scale)
        tl.store(coarse + index, l0 + l1, mask=inside)
        tl.store(detail + place, b10 + b11, mask=inside)
        tl.store(detail + place + half, b20 + b21, mask=inside)
        tl.store(detail + place + 2 * half, b30 + b31, mask=inside)
        tl.store(detail + place + 3 * half, l0 - l1, mask=inside)
        tl.store(detail + place + 4 * half, b10 - b11, mask=inside)
        tl.store(detail + place + 5 * half, b20 - b21, mask=inside)
        tl.store(detail + place + 6 * half, b30 - b31, mask=inside)


@triton.jit
def _synthesis_kernel(
    u,
    coarse,
    detail,
    total,
    half,
    height,
    width,
    scale: tl.constexpr,
    ndim: tl.constexpr,
    dtype: tl.constexpr,
    wide: tl.constexpr,
    block: tl.constexpr,
):
    """Read each coefficient once, write each point of ``u`` once."""
    index, inside, pairs, mask = _places(total, height, width, ndim, wide, block)
    place, row = _bands(index, half, ndim), 2 * width
    low = tl.load(coarse + index, mask=inside).to(dtype) * scale
    b1 = tl.load(detail + place, mask=inside).to(dtype) * scale
    if ndim == 1:
        tl.store(u + pairs, tl.join(low + b1, low - b1), mask=mask)
    else:
        b2 = tl.load(detail + place + half, mask=inside).to(dtype) * scale
        b3 = tl.load(detail + place + 2 * half, mask=inside).to(dtype) * scale
        if ndim == 2:
            _join_rows(u + pairs, row, mask, low, b1, b2, b3)
        else:
            b4 = tl.load(detail + place + 3 * half, mask=inside).to(dtype) * scale
            b5 = tl.load(detail + place + 4 * half, mask=inside).to(dtype) * scale
            b6 = tl.load(detail + place + 5 * half, mask=inside).to(dtype) * scale
            b7 = tl.load(detail + place + 6 * half, mask=inside).to(dtype) * scale
            _join_rows(u + pairs, row, mask, low + b4, b1 + b5, b2 + b6, b3 + b7)
            other = u + pairs + 2 * height * row
            _join_rows(other, row, mask, low - b4, b1 - b5, b2 - b6, b3 - b7)


@triton.jit
def _places(
    total,
    height,
    width,
    ndim: tl.constexpr,
    wide: tl.constexpr,
    block: tl.constexpr,
):
    """This program's coefficients, which exist, and the first two points of each one's cell."""
    start = tl.program_id(0)
    if wide:
        start = start.to(tl.int64)
    index = start * block + tl.arange(0, block)
    inside = index < total
    row = index // width
    first = 2 * index
    if ndim == 2:
        first += 2 * width * row
    if ndim == 3:
        first += 2 * width * row + 4 * width * height * (row // height)
    return index, inside, first[:, None] + tl.arange(0, 2)[None, :], inside[:, None]


@triton.jit
def _bands(index, half, ndim: tl.constexpr):
    """Where the first detail band of each coefficient is; the others follow ``half`` apart."""
    return index + (index // half) * half * (2**ndim - 2)


@triton.jit
def _split(pointers, mask, dtype: tl.constexpr, scale: tl.constexpr):
    even, odd = tl.split(tl.load(pointers, mask=mask).to(dtype) * scale)
    return even + odd, even - odd


@triton.jit
def _split_rows(pointers, row, mask, dtype: tl.constexpr, scale: tl.constexpr):
    s0, d0 = _split(pointers, mask, dtype, scale)
    s1, d1 = _split(pointers + row, mask, dtype, scale)
    return s0 + s1, d0 + d1, s0 - s1, d0 - d1


@triton.jit
def _join_rows(pointers, row, mask, low, b1, b2, b3):
    s0, d0, s1, d1 = low + b2, b1 + b3, low - b2, b1 - b3
    tl.store(pointers, tl.join(s0 + d0, s0 - d0), mask=mask)
    tl.store(pointers + row, tl.join(s1 + d1, s1 - d1), mask=mask)
