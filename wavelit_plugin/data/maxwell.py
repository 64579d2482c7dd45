"""Maxwell's equations without charges in a dielectric on the periodic cube.

    dD/dt = curl H,    dH/dt = -curl E,    E = D / eps,    div D = div H = 0

with displacement D, magnetic field H and permittivity eps(x); the permeability is 1. Scheme: that
of Yee (1966, doi:10.1109/TAP.1966.1138693), second order in space and time. In cell (i, j, k) the
component of D along an axis lies on the middle of the cell's low edge along it, that of H on the
middle of the cell's low face normal to it; D lives at whole steps, H at half steps. The
permittivity of an edge is the mean over its four cells: E is continuous along it.

Stored are values at cell centres at one moment, averaged from the four edges or the two faces of
the cell, and then over oversample^3 cells: both means are exact to second order.

The data start WARM_UP before frame 0 from random loops of H and no D. A random D would be no
state that light can reach: E = D / eps along a jump of eps would jump too.

Units: the cube's edge, the speed of light in vacuum and the vacuum's permittivity are 1. Time is
in edge / speed of light; D and H are relative to a reference field D0 and c D0.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from wavelit_plugin.data.media import (
    Grid,
    draw_inclusions,
    draw_layers,
    draw_uniform,
    integer,
    uniform,
)
from wavelit_plugin.data.scattering import area_mean
from wavelit_plugin.errors import ConfigError, DataError, unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories
from wavelit_plugin.shapes import check_same_shape

NDIM = 3

CFL = 0.95
"""Fraction of the largest stable time step, spacing / (fastest light sqrt(3)), used at most."""

FAMILIES = {"inclusions": draw_inclusions, "layers": draw_layers, "vacuum": draw_uniform}
"""Families of permittivities, 1 / speed^2 of the media that sound waves are simulated in."""

SLOWEST_LIGHT = 0.5
"""No medium of the data is slower, so the permittivity is at most 4 (glass has 2 to 4)."""

WARM_UP = 0.2
"""Time from the pulses without electric field to frame 0."""

AMPLITUDE = 10.0
"""Of the pulses. The equations are linear, so it is free: this one makes the fields about 1, as
trainers need that do not normalise."""

SUBCELLS = 2
"""The medium is drawn on a grid finer than the simulation's by this factor."""

Cells = Float[Tensor, "batch x y z"]
Vectors = Float[Tensor, "batch 3 x y z"]


def steps_for(interval: float, *, spacing: float) -> int:
    """Return how many equal steps ``interval`` needs where light is no faster than in vacuum.

    >>> steps_for(0.04, spacing=1 / 64)
    5
    """
    return max(1, math.ceil(interval * math.sqrt(NDIM) / (CFL * spacing)))


def curl(vectors: Vectors, *, spacing: float, forward: bool) -> Vectors:
    """Return the curl by differences to the next (forward) or from the last point.

    Forward differences take edges to faces, the others faces to edges. The divergence by
    differences the same way is zero up to rounding, and each curl is the other's transpose.
    """
    parts = []
    for axis in range(NDIM):
        second, third = (axis + 1) % NDIM, (axis + 2) % NDIM
        rise = _difference(vectors[:, third], second, forward=forward)
        parts.append((rise - _difference(vectors[:, second], third, forward=forward)) / spacing)
    return torch.stack(parts, dim=1)


def divergence(vectors: Vectors, *, spacing: float, forward: bool) -> Cells:
    """Return the divergence: not forward for D (on edges), forward for H (on faces)."""
    parts = [_difference(vectors[:, axis], axis, forward=forward) / spacing for axis in range(NDIM)]
    return parts[0] + parts[1] + parts[2]


def _difference(cells: Tensor, axis: int, *, forward: bool) -> Tensor:
    """Return next minus this, or this minus last, along a periodic axis."""
    dim = axis - NDIM
    return cells.roll(-1, dim) - cells if forward else cells - cells.roll(1, dim)


def _pair_mean(cells: Tensor, axis: int, *, shift: int) -> Tensor:
    return (cells + cells.roll(shift, axis - NDIM)) / 2


class MaxwellSolver:
    """Advance a batch of trajectories on one grid of cubic cells.

    Args:
        permittivity: of every cell.
        displacement: D on edges at time 0.
        magnetic: H on faces at time 0.
        spacing: edge of a cell.
        time_step: time step; at most spacing sqrt(least permittivity / 3).

    Raises:
        ShapeError: the fields and the permittivity differ in shape.
        DataError: a permittivity is not positive and finite.
        ConfigError: the time step is above the limit or not positive.
    """

    def __init__(
        self,
        permittivity: Cells,
        displacement: Vectors,
        magnetic: Vectors,
        *,
        spacing: float,
        time_step: float,
    ) -> None:
        check_same_shape(
            permittivity=permittivity, displacement=displacement[:, 0], magnetic=magnetic[:, 0]
        )
        if not bool((torch.isfinite(permittivity) & (permittivity > 0)).all()):
            raise DataError("permittivity must be positive and finite everywhere; correct it")
        limit = spacing * math.sqrt(float(permittivity.min()) / NDIM)
        if not 0 < time_step <= limit:
            raise ConfigError(
                f"time step must be in (0, {limit:.3g}], got {time_step}; use steps_for"
            )
        self._spacing, self._time_step = spacing, time_step
        self._permittivity = torch.stack(
            [_on_edges(permittivity, axis) for axis in range(NDIM)], dim=1
        )
        self._displacement = displacement
        # half a step with E at time 0 brings H to time 1/2: order 2
        self._magnetic = magnetic - time_step / 2 * self._electric_curl()

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """Advance by ``steps`` time steps."""
        for _ in range(steps):
            growth = curl(self._magnetic, spacing=self._spacing, forward=False)
            self._displacement = self._displacement + self._time_step * growth
            self._magnetic = self._magnetic - self._time_step * self._electric_curl()

    def staggered(self) -> tuple[Vectors, Vectors]:
        """Return D on edges and H on faces, both at the present."""
        magnetic = self._magnetic + self._time_step / 2 * self._electric_curl()
        return self._displacement, magnetic

    def fields(self) -> Float[Tensor, "batch 6 x y z"]:
        """Return D and H at cell centres at the present."""
        displacement, magnetic = self.staggered()
        parts = []
        for axis in range(NDIM):
            cells = displacement[:, axis]
            for other in {0, 1, 2} - {axis}:
                cells = _pair_mean(cells, other, shift=-1)
            parts.append(cells)
        parts += [_pair_mean(magnetic[:, axis], axis, shift=-1) for axis in range(NDIM)]
        return torch.stack(parts, dim=1)

    def energy(self) -> Float[Tensor, " batch"]:
        """Return the energy that the scheme itself conserves.

        E = sum of D_n^2 / (2 eps) + H_(n-1/2) H_(n+1/2) / 2, times the cell's volume; constant up
        to rounding, because one curl is the other's transpose.
        """
        before = self._magnetic + self._time_step * self._electric_curl()
        density = self._displacement.square() / self._permittivity + before * self._magnetic
        return density.flatten(1).sum(dim=1) * (0.5 * self._spacing**NDIM)

    def _electric_curl(self) -> Vectors:
        electric = self._displacement / self._permittivity
        return curl(electric, spacing=self._spacing, forward=True)


def _on_edges(cells: Cells, axis: int) -> Cells:
    """Return the mean over the four cells that share a low edge along ``axis``."""
    for other in {0, 1, 2} - {axis}:
        cells = _pair_mean(cells, other, shift=1)
    return cells


def draw_potential(generator: Generator, grid: Grid) -> Float[Tensor, "3 x y z"]:
    """Return a vector potential: 3-6 round pulses of random place, width and direction.

    A pulse of width w has amplitude AMPLITUDE w, so its curl is about AMPLITUDE at most. A
    component lies on the edges along its axis, which are half a cell below the centres along the
    two other axes.
    """
    total = torch.zeros(3, grid.cells, grid.cells, grid.cells, dtype=torch.float64)
    for _ in range(integer(generator, 3, 6)):
        centre = tuple(uniform(generator, 0.0, 1.0) for _ in range(NDIM))
        width = uniform(generator, 0.08, 0.15)
        direction = torch.randn(3, generator=generator, dtype=torch.float64)
        direction = direction / direction.norm()
        for axis in range(NDIM):
            shift = [0.0 if other == axis else 0.5 / grid.cells for other in range(NDIM)]
            seen = tuple(x + half for x, half in zip(centre, shift, strict=True))
            distance = grid.squared_distance(seen)
            total[axis] += (
                AMPLITUDE * width * direction[axis] * torch.exp(-distance / (2 * width**2))
            )
    return total


def _draw(seed: int, cells: int, medium: str) -> tuple[Tensor, Tensor]:
    """Return permittivity (x, y, z) and H on faces (3, x, y, z), in float64."""
    generator = torch.Generator().manual_seed(seed)
    subgrid = Grid(cells=cells * SUBCELLS, ndim=NDIM, periodic=True)
    _, speed = FAMILIES[medium](generator, subgrid)
    permittivity = area_mean(speed.clamp_min(SLOWEST_LIGHT).pow(-2), SUBCELLS, ndim=NDIM)
    grid = Grid(cells=cells, ndim=NDIM, periodic=True)
    # the curl of a potential is without divergence on the grid
    potential = draw_potential(generator, grid)[None]
    return permittivity, curl(potential, spacing=1 / cells, forward=True)[0]


def _after_warm_up(permittivity: Cells, magnetic: Vectors) -> tuple[Vectors, Vectors]:
    """Return D and H after WARM_UP, in time steps that do not depend on the interval."""
    spacing = 1.0 / permittivity.shape[-1]
    steps = steps_for(WARM_UP, spacing=spacing)
    solver = MaxwellSolver(
        permittivity,
        torch.zeros_like(magnetic),
        magnetic,
        spacing=spacing,
        time_step=WARM_UP / steps,
    )
    solver.advance(steps)
    return solver.staggered()


def simulate_maxwell(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; fields (D, H), constant (permittivity)."""
    if setup.medium not in FAMILIES:
        raise unknown_name("medium", setup.medium, FAMILIES)
    cells = setup.size * setup.oversample
    drawn = zip(*(_draw(seed, cells, setup.medium) for seed in seeds), strict=True)
    permittivity, magnetic = (
        torch.stack(parts).to(setup.device, DTYPES[setup.dtype]) for parts in drawn
    )
    steps = steps_for(setup.interval, spacing=1 / cells)
    solver = MaxwellSolver(
        permittivity,
        *_after_warm_up(permittivity, magnetic),
        spacing=1 / cells,
        time_step=setup.interval / steps,
    )
    frames = [area_mean(solver.fields(), setup.oversample, ndim=NDIM)]
    for _ in range(setup.frames - 1):
        solver.advance(steps)
        frames.append(area_mean(solver.fields(), setup.oversample, ndim=NDIM))
    fields = torch.stack(frames, dim=1)
    constants = area_mean(permittivity, setup.oversample, ndim=NDIM)[:, None]
    return Trajectories(fields, constants, fields.new_zeros(len(seeds), 0))


MAXWELL = Problem(
    name="maxwell",
    summary="electromagnetic pulses in a dielectric, 3-D",
    fields=("d_x", "d_y", "d_z", "h_x", "h_y", "h_z"),
    constants=("permittivity",),
    units={
        "length": "edge of the cube",
        "time": "edge of the cube / speed of light in vacuum",
        "d_x": "reference displacement D0",
        "d_y": "reference displacement D0",
        "d_z": "reference displacement D0",
        "h_x": "speed of light in vacuum * D0",
        "h_y": "speed of light in vacuum * D0",
        "h_z": "speed of light in vacuum * D0",
        "permittivity": "permittivity of vacuum",
    },
    vectors=(("d_x", "d_y", "d_z"), ("h_x", "h_y", "h_z")),
    ndim=NDIM,
    frames=8,
    interval=0.04,
    boundaries=("periodic",),
    media=tuple(FAMILIES),
    simulate=simulate_maxwell,
)
