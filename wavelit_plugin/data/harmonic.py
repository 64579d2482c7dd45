"""The Helmholtz problem: sound of one frequency from a small source around hard walls, 2-D.

A frame is u(x, t) = p(x) exp(-i omega t) at one moment, its real and its imaginary part, as in The
Well's helmholtz_staircase. There frames are a fixed part of a period apart, here a fixed time: the
frequency then matters for what comes next.

Units: the edge of the square is 1. Time is in edge / (2 pi sound speed), so that omega is the
number of wavelengths on the edge. The equation is linear and the unit of pressure free: sources
are as strong as makes the fields about 1.

At 64 points and an oversample of 2, frames differ from those at 4 by 0.5-1.5 % where the domain is
open and by 1-5 % between walls, where a resonance multiplies an error of the frequency.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Generator, Tensor

from wavelit_plugin.data.helmholtz import (
    BOUNDARIES,
    NDIM,
    Cells,
    HelmholtzSolver,
    Walls,
    Wave,
)
from wavelit_plugin.data.media import Grid, integer, uniform
from wavelit_plugin.data.scattering import area_mean
from wavelit_plugin.errors import unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories

OMEGAS = (2.0, 6.0)
"""Range of the frequencies: wavelengths on the edge."""

WIDTH = 0.02
"""Standard deviation of the source, a Gaussian."""

LATTICE = 32
"""Walls end on multiples of 1 / LATTICE, so that grids of a multiple of it hold them exactly."""

_STRENGTH = 8.0
_MARGIN = 0.15  # of the source from the border
_CLEAR = 3.0  # widths of the source that are free of walls


def draw_staircase(generator: Generator, grid: Grid) -> Walls:
    """Return a floor that rises along the first axis, or falls, in 3-6 equal steps."""
    steps, floor = integer(generator, 3, 6), integer(generator, 2, 4)
    rise, falls = integer(generator, 1, 3), integer(generator, 0, 1)
    step = _unit(grid, 0) * steps // LATTICE
    step = steps - 1 - step if falls else step
    return _unit(grid, 1) < floor + rise * step


def draw_blocks(generator: Generator, grid: Grid) -> Walls:
    """Return 2-5 boxes with edges of 2-8 parts of LATTICE."""
    solid = torch.zeros((grid.cells,) * grid.ndim, dtype=torch.bool)
    for _ in range(integer(generator, 2, 5)):
        inside = torch.ones((1,) * grid.ndim, dtype=torch.bool)
        for axis in range(grid.ndim):
            length = integer(generator, 2, 8)
            past = _unit(grid, axis) - integer(generator, 1, LATTICE - 1 - length)
            inside = inside & (past >= 0) & (past < length)
        solid = solid | inside
    return solid


def draw_empty(generator: Generator, grid: Grid) -> Walls:
    """Return no wall."""
    del generator
    return torch.zeros((grid.cells,) * grid.ndim, dtype=torch.bool)


FAMILIES: Mapping[str, Callable[[Generator, Grid], Walls]] = MappingProxyType(
    {"staircase": draw_staircase, "blocks": draw_blocks, "empty": draw_empty}
)
"""The families of walls by name."""


def draw_source(generator: Generator, grid: Grid, solid: Walls) -> Cells:
    """Return a Gaussian of integral 1 at a random place clear of walls; after 100 tries at any."""
    distance = grid.full(0.0)
    for _ in range(100):
        centre = (
            uniform(generator, _MARGIN, 1 - _MARGIN),
            uniform(generator, _MARGIN, 1 - _MARGIN),
        )
        distance = grid.squared_distance(centre)
        if not bool((solid & (distance < (_CLEAR * WIDTH) ** 2)).any()):
            break
    return torch.exp(distance / (-2 * WIDTH**2)) / (2 * math.pi * WIDTH**2)


def simulate_helmholtz(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; constant mask (1 in walls), parameter omega.

    Raises:
        ConfigError: an unknown medium.
    """
    if setup.medium not in FAMILIES:
        raise unknown_name("medium", setup.medium, FAMILIES)
    fields, masks, omegas = zip(*(_trajectory(setup, seed) for seed in seeds), strict=True)
    parameters = torch.tensor(omegas, dtype=torch.float64)[:, None]
    parts = (torch.stack(fields), torch.stack(masks), parameters)
    # first the precision: not every device has float64
    return Trajectories(*(part.to(DTYPES[setup.dtype]).to(setup.device) for part in parts))


def _trajectory(setup: Setup, seed: int) -> tuple[Tensor, Tensor, float]:
    """Return fields (frame, 2, x, y), mask (1, x, y) and omega, in float64."""
    generator = torch.Generator().manual_seed(seed)
    omega = uniform(generator, *OMEGAS)
    grid = Grid(cells=setup.size * setup.oversample, ndim=NDIM)
    solid = FAMILIES[setup.medium](generator, grid)
    # a wave in two dimensions is weaker by the root of its number
    source = _STRENGTH * math.sqrt(omega) * draw_source(generator, grid, solid)
    wave = Wave(number=2 * math.pi * omega, boundary=setup.boundary)
    # Apple's devices have no float64
    device = "cpu" if setup.device.startswith("mps") else setup.device
    solver = HelmholtzSolver(solid.to(device), wave=wave, spacing=1 / grid.cells)
    pressure = solver.crop(solver.solve(source.to(device)))
    stored = area_mean(pressure, setup.oversample, ndim=NDIM)
    times = setup.interval * torch.arange(setup.frames, dtype=torch.float64, device=device)
    frames = torch.exp(-1j * omega * times)[:, None, None] * stored
    mask = area_mean(solid.double(), setup.oversample, ndim=NDIM)
    return torch.view_as_real(frames).movedim(-1, 1), mask[None], omega


def _unit(grid: Grid, axis: int) -> Tensor:
    """Return the part of LATTICE that a cell's centre lies in, along an axis."""
    return (grid.axis(axis) * LATTICE).floor().long()


HELMHOLTZ = Problem(
    name="helmholtz",
    summary="sound of one frequency around hard walls, 2-D",
    fields=("pressure_re", "pressure_im"),
    constants=("mask",),
    units={
        "length": "edge of the domain",
        "time": "edge of the domain / (2 pi sound speed)",
        "pressure_re": "that of a source whose strength makes it about 1",
        "pressure_im": "the same",
        "mask": "1 in walls, 0 in the fluid",
        "omega": "2 pi sound speed / edge: wavelengths on the edge",
    },
    parameters=("omega",),
    ndim=NDIM,
    frames=50,
    interval=0.125,
    boundaries=BOUNDARIES,
    media=tuple(FAMILIES),
    simulate=simulate_helmholtz,
)
