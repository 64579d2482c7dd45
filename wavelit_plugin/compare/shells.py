"""Energy of fields by shells of wave numbers."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.shapes import Field


class Shells:
    """Shells of wave numbers k = 0, 1, ... up to half the shortest axis, one wave number wide.

    An axis that does not wrap is continued by its mirror image, so that its two ends, which
    differ, leave no trace in the short waves; it then has half wave numbers too.

    Args:
        size: points along each axis.
        boundary: of each axis.
        device: where the fields are.
    """

    def __init__(self, size: tuple[int, ...], boundary: tuple[str, ...], *, device: str) -> None:
        self.mirrored = tuple(
            axis for axis, name in enumerate(boundary, start=2) if name != "periodic"
        )
        self.count = min(size) // 2 + 1
        square = torch.zeros((), device=device)
        for axis, points in enumerate(size, start=2):
            period = 2 * points if axis in self.mirrored else points
            waves = points * torch.fft.fftfreq(period, device=device)
            square = square[..., None] + waves.square()
        # the shells are [k - 1/2, k + 1/2), and what lies in the corners has one of its own
        self._shell = (square.sqrt() + 0.5).floor().long().clamp_max(self.count).flatten()

    @property
    def wavenumbers(self) -> tuple[float, ...]:
        """Waves across the domain, of each shell."""
        return tuple(float(k) for k in range(self.count))

    def energy(self, u: Field) -> Float[Tensor, " shell"]:
        """Return the mean square of the waves of each shell, summed over batch and channels.

        Over all shells, and the corners, it is that of the field, by Parseval's identity.
        """
        for axis in self.mirrored:
            u = torch.cat([u, u.flip(axis)], dim=axis)
        axes = tuple(range(2, u.ndim))
        power = torch.fft.fftn(u, dim=axes, norm="forward").abs().square().sum(dim=(0, 1))
        found = power.new_zeros(self.count + 1, dtype=torch.float64)
        return found.index_add(0, self._shell, power.flatten().double())[:-1]
