"""An absorbing layer for first-order wave equations on staggered grids.

The layer is a perfectly matched layer in its convolutional form (Roden and Gedney 2000,
doi:10.1002/1098-2760(20001205)27:5<334::AID-MOP14>3.0.CO;2-A): inside the layer a derivative D
along the layer's normal is replaced by D + m, where the memory m obeys
dm/dt = -s m - s D with the damping rate s, discretised exactly over one time step for constant D.
Only the two slabs of an axis hold memory, so the interior costs nothing.

Measured in a uniform medium of 128 cells per axis, for Gaussian pulses of width 0.02-0.05: the
largest reflected amplitude is 3e-5 of the pulse's at normal incidence and 1e-5 over all angles of
a point source in 2-D. Waves near the grid's own limit (1.3 cells of width) come back with 2e-3.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LAYER_CELLS = 12
"""Cells on each side of an open axis."""

TARGET_REFLECTION = 1e-5
"""Reflection at normal incidence that the continuous layer would have."""

RAMP_POWER = 2
"""The damping rate grows with depth to this power; 0 would reflect at the jump."""


def damping_rates(
    depths: Float[Tensor, " depth"], *, thickness: float, speed: float
) -> Float[Tensor, " depth"]:
    """Return the damping rate (per unit time) at the given depths inside the layer.

    The peak follows from R = exp(-2/speed * integral of the rate over the layer), where R is
    TARGET_REFLECTION (Collino and Tsogka 2001, doi:10.1190/1.1444908).
    """
    peak = (RAMP_POWER + 1) * speed * math.log(1.0 / TARGET_REFLECTION) / (2.0 * thickness)
    return peak * (depths.clamp_min(0.0) / thickness) ** RAMP_POWER


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSpec:
    """Distance of two cells, largest wave speed, and the step over which the memory advances."""

    spacing: float
    speed: float
    time_step: float


class SlabPair:
    """The memory of both absorbing slabs of one axis, for derivatives at one staggering.

    Args:
        derivative: a tensor of the derivative's shape, whose dtype and device are used.
        spec: spacing, speed and time step.
        axis: the axis normal to the slabs.
        staggered: whether the derivative lives on faces (cells + 1 entries along the axis)
            rather than on cell centres.
    """

    def __init__(self, derivative: Tensor, spec: LayerSpec, *, axis: int, staggered: bool) -> None:
        offset = 0.0 if staggered else 0.5
        # in float64, because exp(-s dt) - 1 cancels
        depths = spec.spacing * (
            LAYER_CELLS - offset - torch.arange(LAYER_CELLS, dtype=torch.float64)
        )
        rates = damping_rates(depths, thickness=spec.spacing * LAYER_CELLS, speed=spec.speed)
        shape = [1] * derivative.ndim
        shape[axis] = LAYER_CELLS
        starts = (0, derivative.shape[axis] - LAYER_CELLS)
        self._slabs: list[tuple[int, Tensor, Tensor, Tensor]] = []
        for start, rate in zip(starts, (rates, rates.flip(0)), strict=True):
            keep, gain = (
                factor.to(derivative).view(shape)
                for factor in (
                    torch.exp(-rate * spec.time_step),
                    torch.expm1(-rate * spec.time_step),
                )
            )
            memory = torch.zeros_like(derivative.narrow(axis, start, LAYER_CELLS))
            self._slabs.append((start, keep, gain, memory))
        self._axis = axis

    def stretch(self, derivative: Tensor) -> None:
        """Advance the memory by one step and add it to ``derivative`` in place."""
        for start, keep, gain, memory in self._slabs:
            slab = derivative.narrow(self._axis, start, LAYER_CELLS)
            memory.mul_(keep).addcmul_(slab, gain)
            slab.add_(memory)
