"""Two problems of incompressible flow: random eddies in a forced flow, and rising warm clouds."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from wavelit_plugin.data.incompressible import Fluid, IncompressibleSolver
from wavelit_plugin.data.media import uniform
from wavelit_plugin.data.periodic import resample, wave_numbers
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories

NDIM = 2
KOLMOGOROV_FLUID = Fluid(viscosity=2e-3, diffusivity=2e-3, drag=0.1, force=1.0, wave=4)
BUOYANT_FLUID = Fluid(viscosity=2e-3, diffusivity=2e-3)
BUOYANCY = (0.2, 0.5)
"""Range of buo_y, as in PDEArena's conditioned data."""

DRAWN = 64
"""Initial states are drawn on this grid, whatever the simulation's: grids share trajectories."""


class Start(NamedTuple):
    """What is drawn for one trajectory: vorticity and scalar (DRAWN, DRAWN), and buo_y."""

    vorticity: Tensor
    scalar: Tensor
    buoyancy: float


def random_field(generator: Generator, *, wave: float, width: float) -> Tensor:
    """Return a smooth random field (DRAWN, DRAWN) of mean 0 and variance 1, in float64.

    Its spectrum is a Gaussian of standard deviation ``width`` about the wave number ``wave``.
    """
    noise = torch.randn(DRAWN, DRAWN, generator=generator, dtype=torch.float64)
    radius = torch.hypot(*wave_numbers(DRAWN, ndim=NDIM))
    envelope = torch.exp(-0.5 * ((radius - wave) / width).square())
    envelope[0, 0] = 0.0
    field = torch.fft.irfft2(torch.fft.rfft2(noise) * envelope, s=(DRAWN, DRAWN))
    return field / field.square().mean().sqrt()


def draw_kolmogorov(generator: Generator) -> Start:
    """Return eddies of about unit speed, a scalar of mean 0 and variance 1, and no buoyancy."""
    vorticity = random_field(generator, wave=4.0, width=1.0)
    return Start(4.0 * vorticity, random_field(generator, wave=2.0, width=1.0), 0.0)


def draw_buoyant(generator: Generator) -> Start:
    """Return a fluid at rest, clouds of a scalar that is nowhere negative, and the buoyancy."""
    clouds = random_field(generator, wave=1.0, width=1.0).square()
    return Start(torch.zeros_like(clouds), clouds, uniform(generator, *BUOYANCY))


def simulate_flow(setup: Setup, seeds: Sequence[int], *, buoyant: bool) -> Trajectories:
    """Simulate one trajectory per seed: scalar and velocity, no constants."""
    draw = draw_buoyant if buoyant else draw_kolmogorov
    drawn = [draw(torch.Generator().manual_seed(seed)) for seed in seeds]
    vorticity = _on_grid(torch.stack([start.vorticity for start in drawn]), setup)
    scalar = _on_grid(torch.stack([start.scalar for start in drawn]), setup)
    buoyancy = torch.tensor([start.buoyancy for start in drawn], dtype=torch.float64).to(vorticity)
    fluid = BUOYANT_FLUID if buoyant else KOLMOGOROV_FLUID
    solver = IncompressibleSolver(fluid, vorticity=vorticity, scalar=scalar, buoyancy=buoyancy)
    frames = [solver.fields(setup.size)]
    for _ in range(setup.frames - 1):
        solver.advance(setup.interval)
        frames.append(solver.fields(setup.size))
    fields = torch.stack(frames, dim=1)
    constants = fields.new_empty(len(seeds), 0, setup.size, setup.size)
    parameters = buoyancy[:, None] if buoyant else fields.new_empty(len(seeds), 0)
    return Trajectories(fields, constants, parameters)


def _on_grid(field: Tensor, setup: Setup) -> Tensor:
    size = setup.size * setup.oversample
    spectrum = resample(torch.fft.rfft2(field, norm="forward"), size, ndim=NDIM)
    return torch.fft.irfft2(spectrum, s=(size, size), norm="forward").to(
        setup.device, DTYPES[setup.dtype]
    )


_FIELDS = ("scalar", "velocity_x", "velocity_y")
_UNITS = {
    "length": "edge of the domain / (2 pi)",
    "time": "unit of length / unit of velocity",
    "scalar": "a reference concentration",
    "velocity_x": "a reference velocity (along the first space axis)",
    "velocity_y": "the same velocity (along the second space axis, upwards)",
}

KOLMOGOROV = Problem(
    name="kolmogorov",
    summary="incompressible flow forced by sin(4 y), with drag and a passive scalar, 2-D",
    fields=_FIELDS,
    constants=(),
    units=_UNITS,
    ndim=NDIM,
    frames=14,
    interval=0.2,
    boundaries=("periodic",),
    media=("eddies",),
    simulate=partial(simulate_flow, buoyant=False),
    vectors=(("velocity_x", "velocity_y"),),
)

BUOYANT_FLOW = Problem(
    name="buoyant-flow",
    summary="incompressible flow driven by the buoyancy of its scalar, 2-D",
    fields=_FIELDS,
    constants=(),
    units={**_UNITS, "buo_y": "unit of velocity / unit of time, per unit of the scalar"},
    ndim=NDIM,
    frames=56,
    interval=0.25,
    boundaries=("periodic",),
    media=("clouds",),
    simulate=partial(simulate_flow, buoyant=True),
    parameters=("buo_y",),
    vectors=(("velocity_x", "velocity_y"),),
)
