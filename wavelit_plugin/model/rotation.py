"""Rotary wave vectors: the positions that attention sees are phases of plane waves.

Feature pair j of a head is rotated by 2 pi k_j . x, so a product of a rotated query and key is a
plane wave of their distance, and attention a content-gated truncated Fourier layer. Wave vectors
are whole cycles per domain on periodic axes, where they wrap around exactly, and half cycles
elsewhere.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from wavelit_plugin.shapes import Boundary

# a quarter of the pairs stays unrotated: content alone, and the mean
_ROTATED = 0.75


def wave_vectors(boundary: tuple[Boundary, ...], heads: int, pairs: int) -> Tensor:
    """Return (head, pair, axis) wave vectors in cycles per domain, float32.

    The shortest come first, k and -k counting once, and are dealt to the heads in turn, so each
    head sees all magnitudes.
    """
    total = heads * pairs
    rotated = int(total * _ROTATED)
    chosen = [(0.0,) * len(boundary)] * (total - rotated) + _shortest(boundary, rotated)
    return torch.tensor(chosen).unflatten(0, (pairs, heads)).transpose(0, 1).contiguous()


def rotation(vectors: Tensor, grid: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of every phase, each (head, token, pair), in the vectors' dtype.

    Positions are cell centres (i + 1/2)/n, so a coarser grid of the same domain stays aligned.
    """
    phase = vectors.new_zeros((*grid, *vectors.shape[:2]))
    for axis, size in enumerate(grid):
        cell = torch.arange(size, device=vectors.device, dtype=vectors.dtype)
        centre = (cell + 0.5) / size
        aligned = centre.view(*(size if a == axis else 1 for a in range(len(grid))), 1, 1)
        phase = torch.addcmul(phase, aligned, vectors[..., axis], value=2 * math.pi)
    flat = phase.flatten(0, len(grid) - 1).transpose(0, 1).contiguous()
    return flat.cos(), flat.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate (..., head, token, 2 * pair) features, two neighbours being a pair."""
    pairs = x.unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():  # it has no kernels for complex numbers
        return _turn(pairs, cosine, sine)
    # a complex product is one pass over memory, a third of the time of its four real ones
    turned = torch.view_as_complex(pairs) * torch.complex(cosine, sine)
    return torch.view_as_real(turned).flatten(-2)


def _turn(pairs: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = pairs.unbind(-1)
    turned = [first * cosine - second * sine, first * sine + second * cosine]
    return torch.stack(turned, dim=-1).flatten(-2)


def _shortest(boundary: tuple[Boundary, ...], count: int) -> list[tuple[float, ...]]:
    step = [1.0 if name == "periodic" else 0.5 for name in boundary]
    reach = 1
    while True:
        # all lattice points in the ball that the box of this reach contains
        limit = reach * min(step)
        box = itertools.product(*(range(-round(limit / s), round(limit / s) + 1) for s in step))
        points = [tuple(i * s for i, s in zip(index, step, strict=True)) for index in box]
        half = [k for k in points if k > (0.0,) * len(k) and math.hypot(*k) <= limit]
        if len(half) >= count:
            return sorted(half, key=lambda k: (math.hypot(*k), k))[:count]
        reach += 1
