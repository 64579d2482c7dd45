"""Errors by three bands of wave numbers, as The Well's spectral error divides them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.shapes import Field, check_same_shape

BANDS = ("low", "middle", "high")
"""Names of the bands, long waves first."""

_ENERGY_FLOOR = 1e-7


class Bands:
    """Three bands of wave numbers, their edges evenly spaced in the logarithm.

    The first is from 0, the last ends in the corner of the grid, at pi sqrt(ndim) a grid point.

    Args:
        size: points along each axis.
        device: where the fields are.

    >>> Bands((16, 16), device="cpu").energy(torch.ones(1, 1, 16, 16))[0, 0].tolist()
    [1.0, 0.0, 0.0]
    """

    def __init__(self, size: tuple[int, ...], *, device: str) -> None:
        # float32 as there: waves that lie on an edge are then counted on the same side of it
        square = torch.zeros(())
        for points in size:
            square = square[..., None] + (2 * math.pi * torch.fft.fftfreq(points)).square()
        low, high = 2 * math.pi / max(size), math.pi * math.sqrt(len(size)) + 1e-6
        edges = torch.logspace(math.log10(low), math.log10(high), len(BANDS) + 1)[1:-1]
        self._band = torch.bucketize(square.sqrt().flatten(), edges, right=True).to(device)

    def energy(self, u: Field) -> Float[Tensor, "batch channel band"]:
        """Return the mean square of the waves of each band; together that of the field."""
        power = torch.fft.fftn(u, dim=tuple(range(2, u.ndim)), norm="forward").abs().square()
        found = power.new_zeros(*u.shape[:2], len(BANDS))
        return found.index_add(2, self._band, power.flatten(2))

    def relative_error(
        self, prediction: Field, target: Field
    ) -> Float[Tensor, "batch channel band"]:
        """Return the energy of the error over that of the target plus 1e-7, in each band.

        Raises:
            ShapeError: different shapes.
        """
        check_same_shape(prediction=prediction, target=target)
        return self.energy(prediction - target) / (self.energy(target) + _ENERGY_FLOOR)
