"""Incompressible flow: exact solutions, budgets, order in time, independence of batch mates."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data import simulate_dataset
from wavelit_plugin.data.incompressible import EDGE, Fluid, IncompressibleSolver
from wavelit_plugin.data.periodic import wave_numbers
from wavelit_plugin.data.problems import find_problem
from wavelit_plugin.data.simulation import simulate_chunk
from wavelit_plugin.plugins.datasets import Problem, Setup

SIZE = 32


def grid(size: int = SIZE) -> tuple[Tensor, Tensor]:
    points = torch.arange(size, dtype=torch.float64) * (EDGE / size)
    return points[:, None].expand(size, size), points.expand(size, size)


def smooth(rng: torch.Generator, batch: int = 2, size: int = SIZE) -> Tensor:
    """Random fields of a few waves, mean 0."""
    x, y = grid(size)
    field = torch.zeros(batch, size, size, dtype=torch.float64)
    for k, m in ((1, 0), (0, 2), (2, 1), (1, -3), (3, 2)):
        a, b = torch.randn(2, batch, 1, 1, generator=rng, dtype=torch.float64)
        field += a * torch.cos(k * x + m * y) + b * torch.sin(k * x + m * y)
    return field


def derivative(field: Tensor, axis: int) -> Tensor:
    """Spectral derivative, independent of the solver's own operators."""
    k = wave_numbers(field.shape[-1], ndim=2)[axis]
    return torch.fft.irfft2(1j * k * torch.fft.rfft2(field), s=field.shape[-2:])


def test_a_taylor_green_vortex_decays_exactly() -> None:
    x, y = grid()
    viscosity, drag, time = 0.05, 0.3, 2.0
    fluid = Fluid(viscosity=viscosity, diffusivity=0.0, drag=drag)
    vorticity = 2.0 * (x.cos() * y.cos())[None]
    # psi = cos x cos y: a scalar that is a function of psi is carried along its own contours
    solver = IncompressibleSolver(fluid, vorticity=vorticity, scalar=vorticity.square())
    for _ in range(4):
        solver.advance(time / 4)
    decay = math.exp(-(2.0 * viscosity + drag) * time)
    exact = torch.stack(
        [
            (4.0 * (x.cos() * y.cos()).square()),
            -decay * x.cos() * y.sin(),
            decay * x.sin() * y.cos(),
        ]
    )
    # the nonlinear term vanishes and the integrating factor is exact: rounding only
    assert_close(solver.fields(), exact[None], rtol=0.0, atol=1e-12)


def test_a_uniform_force_balances_viscosity_and_drag() -> None:
    _, y = grid()
    fluid = Fluid(viscosity=0.05, diffusivity=0.1, drag=0.2, force=1.0, wave=2)
    none = torch.zeros(1, SIZE, SIZE, dtype=torch.float64)
    solver = IncompressibleSolver(fluid, vorticity=none, scalar=none)
    time = 1.5
    solver.advance(time)
    rate = 0.05 * 2**2 + 0.2
    exact = (1.0 - math.exp(-rate * time)) / rate * (2.0 * y).sin()
    # v_x = F sin(2y) (1 - e^(-rate t)) / rate; steps of 0.06 to order four
    assert_close(solver.fields()[0, 1], exact, rtol=0.0, atol=1e-7)
    assert_close(solver.fields()[0, 2], none[0], rtol=0.0, atol=1e-14)


def test_a_still_scalar_lifts_the_fluid() -> None:
    x, _ = grid()
    fluid = Fluid(viscosity=0.0, diffusivity=0.0)
    scalar = x.cos()[None]  # uniform along y: carried along itself, so it stays
    buoyancy = torch.tensor([0.3], dtype=torch.float64)
    solver = IncompressibleSolver(
        fluid, vorticity=torch.zeros_like(scalar), scalar=scalar, buoyancy=buoyancy
    )
    solver.advance(2.0)
    fields = solver.fields()[0]
    assert_close(fields[0], scalar[0], rtol=0.0, atol=1e-12)
    assert_close(fields[1], torch.zeros_like(x), rtol=0.0, atol=1e-12)
    assert_close(fields[2], 0.3 * 2.0 * x.cos(), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("buoyant", [False, True])
def test_the_scheme_is_of_order_four_in_time(rng: torch.Generator, *, buoyant: bool) -> None:
    fluid = Fluid(viscosity=0.01, diffusivity=0.02, drag=0.1, force=1.0, wave=2)
    buoyancy = torch.full((1,), 0.5 * buoyant, dtype=torch.float64)
    solver = IncompressibleSolver(
        fluid, vorticity=smooth(rng, 1), scalar=smooth(rng, 1), buoyancy=buoyancy
    )

    def after(steps: int) -> Tensor:
        return solver.stepped(solver.state, buoyancy, time_step=0.4 / steps, steps=steps)

    truth = after(256)
    coarse, fine = (float((after(steps) - truth).abs().max()) for steps in (16, 32))
    assert 3.7 < math.log2(coarse / fine) < 4.3


def test_energy_and_enstrophy_are_kept_without_viscosity(rng: torch.Generator) -> None:
    fluid = Fluid(viscosity=0.0, diffusivity=0.0)
    solver = IncompressibleSolver(fluid, vorticity=smooth(rng), scalar=smooth(rng))

    def budget() -> tuple[Tensor, Tensor, Tensor]:
        fields = solver.fields()
        energy = fields[:, 1:].square().sum(dim=1).mean(dim=(1, 2))
        return (
            energy,
            solver.vorticity().square().mean(dim=(1, 2)),
            fields[:, 0].square().mean(dim=(1, 2)),
        )

    before = budget()
    for _ in range(5):
        solver.advance(0.02)
    # the truncated equations keep all three; steps of 0.02 leave (h k v)^5 ~ 1e-6 a step at most
    assert_close(budget(), before, rtol=1e-6, atol=0.0)
    assert not torch.allclose(solver.vorticity(), smooth(rng), atol=0.1)


def test_energy_changes_by_what_buoyancy_and_dissipation_do(rng: torch.Generator) -> None:
    fluid = Fluid(viscosity=0.05, diffusivity=0.05, drag=0.2)
    buoyancy = torch.tensor([0.5, -0.2], dtype=torch.float64)
    solver = IncompressibleSolver(
        fluid, vorticity=smooth(rng), scalar=smooth(rng), buoyancy=buoyancy
    )

    def energy() -> Tensor:
        return 0.5 * solver.fields()[:, 1:].square().sum(dim=1).mean(dim=(1, 2))

    step = 1e-3
    start = energy()
    solver.advance(step)
    fields = solver.fields()
    power = (
        buoyancy * (fields[:, 0] * fields[:, 2]).mean(dim=(1, 2))
        - 0.05 * solver.vorticity().square().mean(dim=(1, 2))
        - 2.0 * 0.2 * energy()
    )
    solver.advance(step)
    # a central difference: second order in the step
    assert_close((energy() - start) / (2 * step), power, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["kolmogorov", "buoyant-flow"])
@pytest.mark.parametrize("size", [16, 32])
def test_stored_velocity_has_no_divergence_and_the_scalar_keeps_its_mean(
    name: str, size: int
) -> None:
    fields = simulate_dataset(name, size=size, trajectories=2, frames=4, dtype="float64").fields
    divergence = derivative(fields[:, :, 1], 0) + derivative(fields[:, :, 2], 1)
    # of gradients of order 10
    assert float(divergence.abs().max()) < 1e-12
    assert float(fields[:, -1, 1:].abs().max()) > 0.1
    means = fields[:, :, 0].mean(dim=(-2, -1))
    assert_close(means, means[:, :1].expand_as(means), rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("name", ["kolmogorov", "buoyant-flow"])
def test_a_flow_does_not_depend_on_its_batch_mates(name: str) -> None:
    problem: Problem = find_problem(name)
    setup = Setup(
        size=16, frames=4, interval=0.25, boundary="periodic", medium=problem.media[0],
        dtype="float64",
    )  # fmt: skip
    together = simulate_chunk(problem, setup, seed=3, split="train", indices=range(6))
    alone = simulate_chunk(problem, setup, seed=3, split="train", indices=range(4, 5))
    for whole, part in zip(together, alone, strict=True):
        assert_close(part, whole[4:5], rtol=0.0, atol=1e-13)


def test_the_members_of_a_batch_take_steps_of_their_own(
    rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fluid = Fluid(viscosity=0.01, diffusivity=0.01)
    speeds = torch.tensor([0.1, 5.0], dtype=torch.float64)[:, None, None]
    vorticity = smooth(rng, 1) * speeds
    solver = IncompressibleSolver(fluid, vorticity=vorticity, scalar=vorticity)
    taken: list[tuple[int, int]] = []
    original: Callable[..., Tensor] = solver.stepped

    def recording(state: Tensor, buoyancy: Tensor, *, time_step: float, steps: int) -> Tensor:
        taken.append((len(state), steps))
        return original(state, buoyancy, time_step=time_step, steps=steps)

    monkeypatch.setattr(solver, "stepped", recording)
    solver.advance(0.2)
    (first, few), (second, many) = taken
    assert first == second == 1
    # fifty times the speed, up to rounding up
    assert 25 * few <= many <= 50 * few


def test_grids_hold_the_same_trajectories() -> None:
    def frames(size: int, oversample: int) -> Tensor:
        return simulate_dataset(
            "kolmogorov", size=size, trajectories=2, frames=3, oversample=oversample,
            dtype="float64",
        ).fields  # fmt: skip

    low, high = frames(32, 4), frames(64, 2)
    # one simulation: the coarser file holds the waves below 16 of the finer
    spectra = [torch.fft.rfft2(fields, norm="forward")[..., :16, :16] for fields in (low, high)]
    assert_close(spectra[0], spectra[1], rtol=0.0, atol=1e-13)
    # half the cells: still the same flow to what the cut-off waves do in two frames
    assert_close(frames(32, 2), low, rtol=0.0, atol=0.05)


@pytest.mark.parametrize("name", ["kolmogorov", "buoyant-flow"])
def test_frames_of_a_flow_differ_by_a_learnable_amount(name: str) -> None:
    fields = simulate_dataset(name, size=32, trajectories=4, frames=20).fields
    ratio = fields.diff(dim=1).std(dim=(0, 1, 3, 4)) / fields.std(dim=(0, 1, 3, 4))
    # 0: nothing to learn; sqrt(2): consecutive frames are unrelated
    assert all(0.15 < value < 0.7 for value in ratio.tolist()), ratio


def test_buoyancy_is_the_parameter_and_differs_between_trajectories() -> None:
    made = simulate_dataset("buoyant-flow", size=16, trajectories=20, frames=2, oversample=1)
    assert made.parameters.shape == (20, 1)
    assert len(set(made.parameters.flatten().tolist())) == 20
    assert bool(((made.parameters >= 0.2) & (made.parameters <= 0.5)).all())
    # from rest, by the first interval: the velocity over buo_y has one scale for all
    assert float(made.fields[:, 0, 1:].abs().max()) == 0.0
    assert simulate_dataset("kolmogorov", size=16, trajectories=2, frames=2).parameters.shape == (
        2,
        0,
    )
