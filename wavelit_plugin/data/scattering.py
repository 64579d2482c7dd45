"""The acoustic problem: pulses in a random medium, simulated finely and averaged to the grid."""

from collections.abc import Sequence

import torch
from torch import Tensor

from wavelit_plugin.data.acoustics import BOUNDARIES, AcousticSolver, Material, steps_for
from wavelit_plugin.data.media import MAX_SPEED, MEDIA, Grid, draw_pulses
from wavelit_plugin.errors import unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories

NDIM = 2

SUBCELLS = 4
"""The medium is drawn on a grid finer than the simulation's by this factor."""


def area_mean(u: Tensor, factor: int, *, ndim: int) -> Tensor:
    """Average cubes of ``factor`` cells over the last ``ndim`` axes, whose sizes it divides."""
    for axis in range(u.ndim - ndim, u.ndim):
        u = u.unflatten(axis, (-1, factor)).mean(dim=axis + 1)
    return u


def simulate_acoustics(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; fields (p, v per axis), constants (density, speed)."""
    density, speed, pressure = _draw(setup, seeds)
    spacing = 1.0 / (setup.size * setup.oversample)
    steps = steps_for(setup.interval, spacing=spacing, max_speed=MAX_SPEED, ndim=NDIM)
    solver = AcousticSolver(
        Material(density=density, speed=speed),
        boundary=setup.boundary,
        spacing=spacing,
        time_step=setup.interval / steps,
        max_speed=MAX_SPEED,
    )
    solver.start(pressure)
    frames = [area_mean(solver.fields(), setup.oversample, ndim=NDIM)]
    for _ in range(setup.frames - 1):
        solver.advance(steps)
        frames.append(area_mean(solver.fields(), setup.oversample, ndim=NDIM))
    constants = area_mean(torch.stack([density, speed], dim=1), setup.oversample, ndim=NDIM)
    return Trajectories(torch.stack(frames, dim=1), constants, constants.new_empty(len(seeds), 0))


def homogenise(density: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the density and speed of cells that each hold SUBCELLS^ndim parts of a medium.

    What a cell much smaller than a wave keeps is its mass and its compressibility, the means of
    the density and of 1 / (density speed^2).
    """
    ndim = density.ndim
    mass = area_mean(density, SUBCELLS, ndim=ndim)
    compressibility = area_mean(1.0 / (density * speed.square()), SUBCELLS, ndim=ndim)
    return mass, (mass * compressibility).rsqrt()


def _draw(setup: Setup, seeds: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return density, speed and initial pressure, each (batch, *space) on the fine grid."""
    if setup.medium not in MEDIA:
        raise unknown_name("medium", setup.medium, MEDIA)
    periodic, cells = setup.boundary == "periodic", setup.size * setup.oversample
    grid = Grid(cells=cells, ndim=NDIM, periodic=periodic)
    subgrid = Grid(cells=cells * SUBCELLS, ndim=NDIM, periodic=periodic)
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        density, speed = MEDIA[setup.medium].draw(generator, subgrid)
        pulses = draw_pulses(generator, grid, density=density)
        drawn.append((*homogenise(density, speed), pulses))
    density, speed, pressure = (
        torch.stack(parts).to(setup.device, DTYPES[setup.dtype])
        for parts in zip(*drawn, strict=True)
    )
    return density, speed, pressure


ACOUSTICS = Problem(
    name="acoustics",
    summary="linear acoustic waves in a medium of varying density and sound speed, 2-D",
    fields=("pressure", "velocity_x", "velocity_y"),
    constants=("density", "speed"),
    units={
        "length": "edge of the domain",
        "time": "edge of the domain / reference speed",
        "pressure": "reference density * reference speed^2",
        "velocity_x": "reference speed (along the first space axis)",
        "velocity_y": "reference speed (along the second space axis)",
        "density": "reference density",
        "speed": "reference speed",
    },
    ndim=NDIM,
    frames=21,
    interval=0.04,
    boundaries=BOUNDARIES,
    media=tuple(MEDIA),
    simulate=simulate_acoustics,
    vectors=(("velocity_x", "velocity_y"),),
)
