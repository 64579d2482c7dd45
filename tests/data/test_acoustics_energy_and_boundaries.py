"""What the solver conserves, what its borders do, and what an interface reflects."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.acoustics import AcousticSolver, Material, steps_for


def random_solver(boundary: str, *, ndim: int, cells: int = 12) -> AcousticSolver:
    generator = torch.Generator().manual_seed(ndim)
    shape = (2, *(cells + axis for axis in range(ndim)))

    def noise() -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    solver = AcousticSolver(
        Material(density=0.5 + 3 * noise(), speed=0.3 + 0.7 * noise()),
        boundary=boundary,
        spacing=1 / cells,
        time_step=0.95 / cells / math.sqrt(ndim),
        max_speed=1.0,
    )
    solver.start(noise() - 0.5, [noise() - 0.5 for _ in range(ndim)])
    return solver


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["periodic", "wall"])
def test_energy_is_constant_to_rounding_in_any_medium(boundary: str, ndim: int) -> None:
    solver = random_solver(boundary, ndim=ndim)
    before = solver.energy()
    solver.advance(1000)
    # discrete gradient and divergence are adjoint, so the leapfrog's energy is an exact invariant
    assert_close(solver.energy(), before, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_total_pressure_over_bulk_modulus_is_conserved_between_walls(ndim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (1, *(10,) * ndim)
    one = torch.ones(shape, dtype=torch.float64)
    solver = AcousticSolver(
        Material(density=one, speed=one), boundary="wall", spacing=0.1, time_step=0.05
    )
    pressure = torch.rand(shape, generator=generator, dtype=torch.float64)
    solver.start(pressure)
    solver.advance(200)
    # no flux through a rigid wall: mass stays
    assert_close(solver.fields()[:, 0].sum(), pressure.sum(), rtol=1e-12, atol=0.0)


def test_an_open_border_stays_stable_in_a_rough_medium() -> None:
    solver = random_solver("open", ndim=2)
    start = float(solver.energy().sum())
    energies = []
    for _ in range(20):
        solver.advance(250)
        energies.append(float(solver.energy().sum()))
    # an unstable layer grows by powers in 5000 steps; what stays is the part that does not move
    assert max(energies) < 0.5 * start, (start, energies)
    assert max(energies[5:]) < 1.05 * min(energies[5:]), energies


def gaussian(points: tuple[Tensor, ...], centre: tuple[float, ...], width: float) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for x, at in zip(points, centre, strict=True):
        total = total + (x - at) ** 2
    return torch.exp(-total / (2 * width**2))


def reflected(width: float, *, ndim: int, cells: int) -> float:
    """Return the largest field left by an open border, relative to the pulse's amplitude 1.

    The reference is the same pulse in a box three times as large, whose walls are too far to
    send anything back in time.
    """
    time = 1.6
    steps = steps_for(time, spacing=1 / cells, max_speed=1.0, ndim=ndim)

    def frames(size: int, boundary: str, shift: float) -> Tensor:
        axis = (torch.arange(size, dtype=torch.float64) + 0.5) / cells - shift
        points = torch.meshgrid(*[axis] * ndim, indexing="ij")
        pulse = gaussian(points, (0.3, 0.45, 0.5)[:ndim], width)[None]
        one = torch.ones_like(pulse)
        solver = AcousticSolver(
            Material(density=one, speed=one),
            boundary=boundary,
            spacing=1 / cells,
            time_step=time / steps,
        )
        solver.start(pulse)
        kept = []
        for _ in range(steps // 8):
            solver.advance(8)
            kept.append(solver.fields())
        return torch.stack(kept)

    whole = frames(3 * cells, "wall", 1.0)
    for axis in range(3, 3 + ndim):
        whole = whole.narrow(axis, cells, cells)
    return float((frames(cells, "open", 0.0) - whole).abs().max())


@pytest.mark.parametrize("width", [0.02, 0.05])
@pytest.mark.parametrize("ndim", [1, 2])
def test_an_open_border_reflects_less_than_a_ten_thousandth(width: float, ndim: int) -> None:
    # all angles up to grazing in 2-D; a rigid wall instead would give 0.5 in 1-D
    assert reflected(width, ndim=ndim, cells=128) < 1e-4


def test_an_interface_reflects_and_transmits_by_the_impedances() -> None:
    cells, time, width = 2048, 0.5, 0.02
    x = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    left = x < 0.5
    density = torch.where(left, 1.0, 3.0).double()
    speed = torch.where(left, 1.0, 0.5).double()
    z_left, z_right = 1.0 * 1.0, 3.0 * 0.5
    reflection = (z_right - z_left) / (z_right + z_left)
    transmission = 2 * z_right / (z_right + z_left)

    def pulse(position: Tensor) -> Tensor:
        return torch.exp(-((position - 0.25) ** 2) / (2 * width**2))

    steps = steps_for(time, spacing=1 / cells, max_speed=1.0, ndim=1)
    solver = AcousticSolver(
        Material(density=density[None], speed=speed[None]),
        boundary="open",
        spacing=1 / cells,
        time_step=time / steps,
    )
    incident = pulse(x)[None]
    solver.start(incident, [incident / z_left])
    solver.advance(steps)
    # characteristics: x - t, its mirror image at x = 1/2, and the slower one behind
    back = reflection * pulse(1.0 - x - time)
    forth = transmission * pulse(0.5 + (x - 0.5) / 0.5 - time)
    exact = torch.stack(
        [torch.where(left, back, forth), torch.where(left, -back / z_left, forth / z_right)]
    )
    # order h^2 at 20 cells per width of the transmitted pulse: dispersion and averaging
    assert_close(solver.fields()[0], exact, rtol=0.0, atol=2e-3)
    assert abs(float(solver.fields()[0, 0, : cells // 2].max()) - reflection) < 2e-3
    assert abs(float(solver.fields()[0, 0, cells // 2 :].max()) - transmission) < 2e-3


def test_axes_may_have_different_borders_and_a_thin_wave_stays_thin() -> None:
    cells = 64
    x = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
    pulse = torch.exp(-((x - 0.5) ** 2) / (2 * 0.05**2))
    plane = pulse[None, :, None].expand(1, cells, 5).contiguous()
    one = torch.ones_like(plane)
    solver = AcousticSolver(
        Material(density=one, speed=one),
        boundary=("open", "periodic"),
        spacing=1 / cells,
        time_step=0.01,
    )
    solver.start(plane)
    solver.advance(120)
    fields = solver.fields()
    # nothing varies along the periodic axis, and the pulse has left through the open one
    assert_close(fields, fields[..., :1].expand_as(fields), rtol=0.0, atol=1e-15)
    assert float(fields.abs().max()) < 1e-3
