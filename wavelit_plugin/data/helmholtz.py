"""The Helmholtz equation around hard walls on a rectangle, solved directly.

    lap p + k^2 (1 + i loss) p = -source,    u(x, t) = p(x) exp(-i omega t)

with walls that do not move: no pressure gradient across them. Scheme: second-order finite
differences between cell centres, with no flux through a face of a solid cell. Outside of an open
domain lies the absorbing layer of ``absorbing``, here at one frequency: a derivative along its
normal is divided by 1 + i s / k with the damping rate s, for a sound speed of 1.

The equations are solved directly, in complex128.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from wavelit_plugin.data.absorbing import LAYER_CELLS, damping_rates
from wavelit_plugin.data.elimination import solve_rows
from wavelit_plugin.errors import ConfigError, DataError, ShapeError, unknown_name

NDIM = 2
BOUNDARIES = ("open", "wall")
"""Absorbing layer outside the domain; rigid wall, between which waves stand."""

LOSS = 0.01
"""Imaginary part of k^2 over its real part; it keeps a closed box finite at its resonances."""

Cells = Float[Tensor, "x y"]
Walls = Bool[Tensor, "x y"]
Waves = Complex[Tensor, "x y"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wave:
    """The frequency and what happens at the ends.

    Args:
        number: k, in 1 / edge; positive.
        loss: imaginary part of k^2 over its real part, at least 0.
        boundary: one of BOUNDARIES.

    Raises:
        ConfigError: a value out of its range.
    """

    number: float
    loss: float = LOSS
    boundary: str = "open"

    def __post_init__(self) -> None:
        if self.boundary not in BOUNDARIES:
            raise unknown_name("boundary", self.boundary, BOUNDARIES)
        if not (0 < self.number < math.inf and 0 <= self.loss < math.inf):
            raise ConfigError(
                f"the wave number must be positive and the loss at least 0, got {self.number} and "
                f"{self.loss}"
            )


class HelmholtzSolver:
    """The discrete Helmholtz equation among walls, times the square of a cell's edge.

    Args:
        solid: which cells are wall.
        wave: wave number, loss and boundary.
        spacing: edge of a cell.

    Raises:
        DataError: every cell is wall.
    """

    def __init__(self, solid: Walls, *, wave: Wave, spacing: float) -> None:
        if bool(solid.all()):
            raise DataError("the medium is solid everywhere; leave cells for the sound")
        self._margin = LAYER_CELLS if wave.boundary == "open" else 0
        self._spacing, self._shape = spacing, solid.shape
        solid = _continued(solid, self._margin)
        self._fluid = ~solid
        centres, faces = zip(
            *(_stretches(solid, axis, wave, spacing, self._margin) for axis in range(NDIM)),
            strict=True,
        )
        self._volume = centres[0] * centres[1]
        # what flows along an axis passes faces as wide as the other axis is stretched
        self._faces = [
            _open_faces(self._fluid, axis) * centres[1 - axis] / faces[axis] for axis in range(NDIM)
        ]
        square = _seen_square(wave.number * spacing) * (1 + 1j * wave.loss)
        self._centre = self._volume * square
        for axis, face in enumerate(self._faces):
            cells = self._fluid.shape[axis]
            self._centre = self._centre - face.narrow(axis, 0, cells) - face.narrow(axis, 1, cells)
        # a solid cell is at rest
        self._centre = self._centre.where(self._fluid, 1.0)

    def apply(self, pressure: Waves) -> Waves:
        """Return the left side for a pressure on the domain and the layer around it.

        Raises:
            ShapeError: a pressure of another shape than ``solve`` returns.
        """
        if pressure.shape != self._fluid.shape:
            raise ShapeError(
                f"the pressure must have shape {tuple(self._fluid.shape)}, the domain with its "
                f"layer, got {tuple(pressure.shape)}"
            )
        total = self._centre * pressure
        for axis, faces in enumerate(self._faces):
            inner = faces.narrow(axis, 1, faces.shape[axis] - 2)
            cells = pressure.shape[axis] - 1
            low, high = pressure.narrow(axis, 0, cells), pressure.narrow(axis, 1, cells)
            total.narrow(axis, 0, cells).add_(inner * high)
            total.narrow(axis, 1, cells).add_(inner * low)
        return total

    def right_side(self, source: Cells) -> Waves:
        """Return the right side for a source on the domain; none of it is in walls.

        Raises:
            ShapeError: the source is not of the walls' shape.
        """
        if source.shape != self._shape:
            raise ShapeError(
                f"the source must have the shape of the walls, {tuple(self._shape)}, got "
                f"{tuple(source.shape)}"
            )
        whole = torch.zeros_like(self._centre)
        self.crop(whole).copy_(source)
        return -(self._spacing**2) * self._fluid * whole

    def solve(self, source: Cells) -> Waves:
        """Return the pressure on the domain and the layer around it, 0 in walls."""
        # the faces between a row of cells and the one before it
        return solve_rows(self._block, self._faces[0], self.right_side(source))

    def crop(self, cells: Tensor) -> Tensor:
        """Return the part of a field that is the domain."""
        for axis, size in enumerate(self._shape):
            cells = cells.narrow(axis, self._margin, size)
        return cells

    def _block(self, row: int) -> Complex[Tensor, "y y"]:
        """Return the equations of a row of cells among themselves."""
        beside = self._faces[1][row, 1:-1]
        return torch.diag(self._centre[row]) + torch.diag(beside, 1) + torch.diag(beside, -1)


def _seen_square(phase: float) -> float:
    """Return (k h)^2 so that waves on the grid are as long as they should be.

    On it a wave of direction a has (k h)^2 - (k h)^4 (cos^4 a + sin^4 a) / 12 + O(h^6), whose mean
    over all directions is this.
    """
    return phase**2 * (1 - phase**2 / 16)


def _continued(solid: Walls, margin: int) -> Walls:
    """Continue the walls at the edge through the absorbing layer."""
    for axis, size in enumerate(solid.shape):
        index = torch.arange(-margin, size + margin, device=solid.device).clamp(0, size - 1)
        solid = solid.index_select(axis, index)
    return solid


def _stretches(
    solid: Walls, axis: int, wave: Wave, spacing: float, margin: int
) -> tuple[Waves, Waves]:
    """Return by what lengths along an axis are multiplied, at cell centres and at faces."""
    cells = solid.shape[axis]
    view = [1] * NDIM
    view[axis] = -1
    found = []
    for positions in (torch.arange(cells) + 0.5, torch.arange(cells + 1.0)):
        outside = torch.maximum(margin - positions, positions - (cells - margin)).double()
        rates = torch.zeros_like(outside)
        if margin:
            rates = damping_rates(outside * spacing, thickness=margin * spacing, speed=1.0)
        found.append((1 + 1j * rates / wave.number).view(view).to(solid.device))
    return found[0], found[1]


def _open_faces(fluid: Walls, axis: int) -> Cells:
    """Return 1 on faces between two cells of fluid, 0 on others and at both ends."""
    cells = fluid.shape[axis]
    inner = fluid.narrow(axis, 0, cells - 1) & fluid.narrow(axis, 1, cells - 1)
    end = torch.zeros_like(inner.narrow(axis, 0, 1))
    return torch.cat([end, inner, end], dim=axis).double()
