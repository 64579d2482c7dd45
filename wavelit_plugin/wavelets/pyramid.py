"""The coefficients of a Mallat decomposition."""

from typing import NamedTuple

from torch import Tensor


class Pyramid(NamedTuple):
    """Coefficients of an n-dimensional wavelet transform, critically sampled and orthonormal.

    Attributes:
        approximation: (batch, channel, *coarse), the low band of the last level.
        details: one tensor a level, finest first, each (batch, channel, orientation, *level).
            The 2**ndim - 1 orientations count in binary, the first space axis being the most
            significant digit and 1 standing for the high half: in 2-D low-high, high-low,
            high-high, which PyWavelets calls ``ad``, ``da``, ``dd``.
        shape: the space sizes of the field before it was padded; ``idwt`` crops to them.
    """

    approximation: Tensor
    details: tuple[Tensor, ...]
    shape: tuple[int, ...]

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.details)
