"""The Kuramoto-Sivashinsky solver against linear theory, its energy budget and its own order."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.kuramoto_sivashinsky import (
    DT,
    DX,
    MAX_STEP,
    VISCOSITY,
    KuramotoSivashinskySolver,
    simulate_kuramoto_sivashinsky,
    steps_for,
)
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.datasets import Setup, Trajectories

POINTS = 128
LENGTH, THICK = torch.tensor([32.0, 30.0]).double(), torch.tensor([1.0, 0.6]).double()


def solver(
    state: Tensor, *, step: float, length: Tensor = LENGTH, viscosity: Tensor = THICK
) -> KuramotoSivashinskySolver:
    steps = torch.full_like(length, step)
    return KuramotoSivashinskySolver(state, length=length, viscosity=viscosity, time_step=steps)


def developed() -> Tensor:
    """Return two states on the attractor, resolved by less than a third of the points."""
    x = 2 * math.pi * torch.arange(POINTS, dtype=torch.float64) / POINTS
    state = torch.stack([torch.cos(2 * x) + torch.sin(x), torch.sin(3 * x) - torch.cos(x)])
    run = solver(state, step=0.05)
    run.advance(1000)
    return run.fields()


def simulate(seeds: list[int], **changes: object) -> Trajectories:
    arguments: dict[str, object] = {
        "size": 64, "frames": 6, "interval": 0.2, "boundary": "periodic", "medium": "attractor",
        "dtype": "float64",
    }  # fmt: skip
    return simulate_kuramoto_sivashinsky(Setup(**{**arguments, **changes}), seeds)  # type: ignore[arg-type]


def derivative(u: Tensor, order: int) -> Tensor:
    k = 2j * math.pi * torch.fft.rfftfreq(POINTS, 1 / POINTS, dtype=torch.float64)
    return torch.fft.irfft((k / LENGTH[:, None]) ** order * torch.fft.rfft(u), n=POINTS)


@pytest.mark.parametrize("wave", [1, 3, 5, 9, 20, 40])
def test_small_waves_grow_and_decay_at_the_exact_rate(wave: int) -> None:
    k = 2 * math.pi * wave / LENGTH
    rate, small, time = k**2 - THICK * k**4, 1e-9, 0.5
    x = 2 * math.pi * wave * torch.arange(POINTS, dtype=torch.float64) / POINTS
    run = solver((small * torch.cos(x)).expand(2, -1), step=0.05)
    run.advance(10)
    exact = torch.exp(rate * time)[:, None] * torch.cos(x)
    # the linear part is exact at any step; the advection is small k t = 4e-9 of the wave
    assert_close(run.fields() / small, exact, rtol=0.0, atol=1e-8)


def classical(start: Tensor, *, time: float, steps: int) -> Tensor:
    """Return the solution by the classical Runge-Kutta method in physical space."""

    def slope(u: Tensor) -> Tensor:
        stiff = THICK[:, None] * derivative(u, 4)
        return -derivative(u.square(), 1) / 2 - derivative(u, 2) - stiff

    u, step = start, time / steps
    for _ in range(steps):
        first = slope(u)
        second = slope(u + step / 2 * first)
        third = slope(u + step / 2 * second)
        u = u + step / 6 * (first + 2 * (second + third) + slope(u + step * third))
    return u


def test_the_solution_is_that_of_another_scheme() -> None:
    start = developed()
    run = solver(start, step=0.0025)
    run.advance(80)
    # stable up to 2.8 / |v k^4| = 1e-4; its error is far below, and ETDRK4's is 1e-9 measured
    assert_close(run.fields(), classical(start, time=0.2, steps=2500), rtol=0.0, atol=1e-8)
    assert float((run.fields() - start).abs().max()) > 0.02


def test_time_stepping_is_of_order_four() -> None:
    start = developed()

    def after(steps: int) -> Tensor:
        run = solver(start, step=0.5 / steps)
        run.advance(steps)
        return run.fields()

    reference = after(1280)
    errors = [float((after(steps) - reference).norm()) for steps in (20, 40, 80, 160)]
    ratios = [errors[i] / errors[i + 1] for i in range(3)]
    # waves with v k^4 step > 1 follow at order 3; the less of them, the nearer to 2^4
    assert 9 < ratios[0] < ratios[1] < ratios[2] < 17, ratios
    assert ratios[2] > 13.5, ratios


def test_the_mean_is_conserved_and_only_carries_the_rest() -> None:
    start, speed = developed(), 0.7
    still, moving = solver(start, step=0.02), solver(start + speed, step=0.02)
    still.advance(50)
    moving.advance(50)
    # wave 0 has no tendency: rounding only
    assert_close(moving.fields().mean(dim=1), start.mean(dim=1) + speed, rtol=0.0, atol=1e-14)
    # Galilean invariance: u + c solves the equation seen from a frame that moves with c
    k = torch.fft.rfftfreq(POINTS, 1 / POINTS, dtype=torch.float64)
    turn = torch.exp(-2j * math.pi * k * (speed / LENGTH)[:, None])
    shifted = torch.fft.irfft(torch.fft.rfft(still.fields()) * turn, n=POINTS) + speed
    # order 4 at a step of 0.02: 1e-7 measured
    assert_close(moving.fields(), shifted, rtol=0.0, atol=2e-6)


def test_energy_changes_by_production_minus_dissipation() -> None:
    """d/dt int u^2 / 2 = int u_x^2 - v u_xx^2: the advection does no work."""
    start, step = developed(), 1e-3
    run = solver(start, step=step)
    states = [start]
    for _ in range(2):
        run.advance(1)
        states.append(run.fields())
    energy = [u.square().mean(dim=1) / 2 for u in states]
    rate = (energy[2] - energy[0]) / (2 * step)
    middle = states[1]
    budget = derivative(middle, 1).square() - THICK[:, None] * derivative(middle, 2).square()
    # central difference: step^2 / 6 times the third derivative of an energy of about 1
    assert_close(rate, budget.mean(dim=1), rtol=0.0, atol=1e-5)
    assert float(rate.abs().min()) > 1e-3


def test_a_trajectory_does_not_depend_on_its_batch_mates() -> None:
    together, alone = simulate([1, 2, 3]), simulate([2])
    assert_close(alone.parameters, together.parameters[1:2], rtol=0.0, atol=0.0)
    # rounding of another batch size, times e^10 to e^20 of growth in the transient
    assert_close(alone.fields, together.fields[1:2], rtol=0.0, atol=1e-6)


def test_parameters_are_those_that_the_trajectory_was_made_with() -> None:
    fields, constants, parameters = simulate([7, 8], frames=3, interval=0.02)
    dt, dx, viscosity = parameters.unbind(1)
    assert constants.shape == (2, 0, 64)
    u = fields[:, :, 0]
    k = 2j * math.pi * torch.fft.rfftfreq(64, 1.0, dtype=torch.float64) / dx[:, None]
    spectrum = torch.fft.rfft(u[:, 1])
    linear = torch.fft.irfft((-(k**2) - viscosity[:, None] * k**4) * spectrum, n=64)
    slope = torch.fft.irfft(k * torch.fft.rfft(u[:, 1].square() / 2), n=64)
    rate = (u[:, 2] - u[:, 0]) / (2 * dt[:, None])
    # dt^2 / 6 of the third time derivative, of order 1 here
    assert_close(rate, linear - slope, rtol=0.0, atol=2e-3)
    assert float(rate.abs().max()) > 0.05


def test_parameters_stay_in_their_ranges() -> None:
    parameters = simulate(list(range(40)), frames=2, interval=0.3).parameters
    for column, (low, high) in enumerate(((0.3 * DT[0], 0.3 * DT[1]), DX, VISCOSITY)):
        values = parameters[:, column]
        assert low <= float(values.min()) < low + 0.15 * (high - low)
        assert high - 0.15 * (high - low) < float(values.max()) <= high


def test_frames_are_statistically_steady() -> None:
    fields = simulate(list(range(24)), size=128, frames=61, interval=1.0, dtype="float32").fields
    energy = fields.square().mean(dim=(2, 3))
    early, late = energy[:, :20].mean(), energy[:, -20:].mean()
    # 24 trajectories of 4 to 8 cells: the mean is known to some percent
    assert float(early) == pytest.approx(float(late), rel=0.15)
    assert 0.8 < float(late) < 4.0
    # no mean flow is created
    assert float(fields.mean(dim=-1).abs().max()) < 1e-5


def test_oversampling_does_not_change_a_resolved_solution() -> None:
    def late(oversample: int) -> Tensor:
        return simulate([3], size=128, frames=3, oversample=oversample).fields

    # waves beyond a third of 128 points carry less than 1e-9, times the growth of the transient
    assert_close(late(1), late(2), rtol=0.0, atol=1e-4)


def test_steps_fit_the_longest_interval() -> None:
    for interval in (0.01, 0.2, 1.0):
        assert DT[1] * interval / steps_for(interval) <= MAX_STEP


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_bad_parameters_give_one_config_error(value: float) -> None:
    with pytest.raises(ConfigError, match="viscosity must be positive"):
        solver(torch.zeros(2, 16).double(), step=0.1, viscosity=torch.full_like(LENGTH, value))


def test_a_domain_without_chaos_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 64"):
        simulate([0], size=32)
