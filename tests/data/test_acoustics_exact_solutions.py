"""The solver against exact solutions, and how fast it gets there."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.acoustics import AcousticSolver, Material, steps_for

Solution = Callable[[tuple[Tensor, ...], float], list[Tensor]]
"""Pressure and velocities at points and a time."""

DENSITY, SPEED = 2.0, 0.7
TIME = 0.4


def centres(cells: int, ndim: int) -> tuple[Tensor, ...]:
    axis = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    return torch.meshgrid(*[axis] * ndim, indexing="ij")


def travelling_wave(points: tuple[Tensor, ...], time: float) -> list[Tensor]:
    """Travel along the diagonal of the periodic cube; v = p k / (|k| rho c)."""
    wavenumber = 2 * math.pi * math.sqrt(len(points))
    phase = 2 * math.pi * sum(points) - SPEED * wavenumber * time
    pressure = torch.cos(torch.as_tensor(phase))
    velocity = pressure / (DENSITY * SPEED * math.sqrt(len(points)))
    return [pressure] + [velocity] * len(points)


def box_mode(points: tuple[Tensor, ...], time: float) -> list[Tensor]:
    """Stand in a rigid box with one, two, three half waves per axis."""
    waves = [math.pi * (axis + 1) for axis in range(len(points))]
    omega = SPEED * math.sqrt(sum(k * k for k in waves))
    cosines = [torch.cos(k * x) for k, x in zip(waves, points, strict=True)]
    mode = torch.ones_like(points[0])
    for cosine in cosines:
        mode = mode * cosine
    velocities = []
    for axis, (k, x) in enumerate(zip(waves, points, strict=True)):
        shape = torch.sin(k * x)
        for other, cosine in enumerate(cosines):
            shape = shape if other == axis else shape * cosine
        velocities.append(shape * (k * math.sin(omega * time) / (DENSITY * omega)))
    return [mode * math.cos(omega * time), *velocities]


def largest_error(
    solution: Solution, boundary: str, *, cells: int, ndim: int, dtype: torch.dtype = torch.float64
) -> float:
    points = centres(cells, ndim)
    density = torch.full((1, *points[0].shape), DENSITY, dtype=dtype)
    speed = torch.full_like(density, SPEED)
    steps = steps_for(TIME, spacing=1 / cells, max_speed=SPEED, ndim=ndim)
    solver = AcousticSolver(
        Material(density=density, speed=speed),
        boundary=boundary,
        spacing=1 / cells,
        time_step=TIME / steps,
    )
    pressure, *velocity = (part.to(dtype)[None] for part in solution(points, 0.0))
    solver.start(pressure, velocity)
    solver.advance(steps)
    exact = torch.stack(solution(points, TIME))
    return float((solver.fields()[0] - exact).abs().max())


@pytest.mark.parametrize(
    ("solution", "boundary"), [(travelling_wave, "periodic"), (box_mode, "wall")]
)
@pytest.mark.parametrize(("ndim", "cells"), [(1, 64), (2, 32), (3, 16)])
def test_pressure_and_velocity_converge_with_order_two(
    solution: Solution, boundary: str, ndim: int, cells: int
) -> None:
    errors = [
        largest_error(solution, boundary, cells=cells * factor, ndim=ndim) for factor in (1, 2, 4)
    ]
    orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
    # 2 in the limit; 1.9 leaves room for the next term of the error on the coarsest grid
    assert min(orders) >= 1.9, (errors, orders)
    # a wrong wave speed or impedance leaves an error of order 1 that no order shows
    assert errors[-1] < 0.02, errors


def test_float32_keeps_the_accuracy_of_the_grid() -> None:
    exact = largest_error(travelling_wave, "periodic", cells=64, ndim=2)
    single = largest_error(travelling_wave, "periodic", cells=64, ndim=2, dtype=torch.float32)
    # rounding of 6e-8 a step in some 40 steps
    assert_close(single, exact, rtol=0.0, atol=1e-5)


def test_a_pulse_at_rest_splits_into_two_halves() -> None:
    cells, travelled = 512, 0.2
    (x,) = centres(cells, 1)

    def pulse(centre: float) -> Tensor:
        return torch.exp(-((x - centre) ** 2) / (2 * 0.03**2))

    one = torch.ones(1, cells, dtype=torch.float64)
    steps = steps_for(travelled, spacing=1 / cells, max_speed=1.0, ndim=1)
    solver = AcousticSolver(
        Material(density=one, speed=one),
        boundary="wall",
        spacing=1 / cells,
        time_step=travelled / steps,
    )
    solver.start(pulse(0.5)[None])
    solver.advance(steps)
    left, right = pulse(0.5 - travelled) / 2, pulse(0.5 + travelled) / 2
    # d'Alembert; averaging the velocity over a cell and a step adds (h^2 + dt^2) v'' / 8 each,
    # 6e-4 at 15 cells per pulse width
    assert_close(solver.fields()[0], torch.stack([left + right, right - left]), rtol=0, atol=6e-4)


def test_a_smoothly_varying_medium_keeps_order_two() -> None:
    def solve(cells: int) -> Tensor:
        x, y = centres(cells, 2)
        density = 1 + 0.4 * torch.sin(2 * math.pi * x) * torch.cos(2 * math.pi * y)
        speed = 0.7 + 0.3 * torch.cos(2 * math.pi * (x + y))
        steps = steps_for(TIME, spacing=1 / cells, max_speed=1.0, ndim=2)
        solver = AcousticSolver(
            Material(density=density[None], speed=speed[None]),
            boundary="periodic",
            spacing=1 / cells,
            time_step=TIME / steps,
        )
        solver.start(torch.cos(2 * math.pi * x)[None].contiguous())
        solver.advance(steps)
        return torch.nn.functional.avg_pool2d(solver.fields(), cells // 32)

    solutions = [solve(cells) for cells in (32, 64, 128, 256)]
    changes = [float((a - b).abs().max()) for a, b in pairwise(solutions)]
    # differences of successive grids shrink by 4; area means add an error of the same order
    assert math.log2(changes[1] / changes[2]) >= 1.9, changes
