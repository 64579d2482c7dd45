"""The shallow-water solver against linear waves, balanced flow and what the equations conserve."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.shallow_water import (
    CORIOLIS,
    FAMILIES,
    MAX_SPEED,
    SHALLOW_WATER,
    ShallowWaterSolver,
    draw_state,
    simulate_shallow_water,
    steps_for,
)
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.datasets import Setup, Trajectories

POINTS = 32


def random_state(points: int = POINTS) -> Tensor:
    """Return a strong flow, (2, 3, points, points); every other point of the drawn grid."""
    states = [
        draw_state(torch.Generator().manual_seed(seed), across)
        for seed, across in enumerate(FAMILIES.values())
    ]
    step = states[0].shape[-1] // points
    return torch.stack(states)[..., ::step, ::step]


def solver(
    state: Tensor, *, time_step: float, coriolis: float = CORIOLIS, damping: float = 0.0
) -> ShallowWaterSolver:
    return ShallowWaterSolver(state, coriolis=coriolis, damping=damping, time_step=time_step)


def simulate(seeds: list[int], size: int = 16, dtype: str = "float64") -> Trajectories:
    setup = Setup(
        size=size, frames=4, interval=0.025, boundary="periodic", medium="vortices", dtype=dtype
    )
    return simulate_shallow_water(setup, seeds)


@pytest.mark.parametrize("damping", [0.0, 100.0])
def test_mass_is_conserved(damping: float) -> None:
    run = solver(random_state(), time_step=0.004, damping=damping)
    before = run.fields()[:, 0].mean(dim=(1, 2))
    run.advance(100)
    # wave 0 of a divergence is exactly 0, and it is not damped: rounding of the mean only
    assert_close(run.fields()[:, 0].mean(dim=(1, 2)), before, rtol=0.0, atol=1e-15)


def test_the_space_scheme_does_no_work() -> None:
    """The rate of change of the energy along the tendency is 0 for a rough state."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, 3, POINTS, POINTS, generator=generator, dtype=torch.float64)
    run = solver(noise, time_step=1.0)
    state = run.fields().requires_grad_()
    moving = solver(state, time_step=1.0)
    (gradient,) = torch.autograd.grad(moving.energy().sum(), state)
    change = torch.fft.irfft2(
        run.tendency(torch.fft.rfft2(run.fields(), norm="forward")), norm="forward"
    )
    work = float((gradient * change).sum())
    # 6 sums of 10^3 terms that cancel: rounding of their absolute values
    assert abs(work) < 1e-13 * float((gradient * change).abs().sum())


def test_energy_error_falls_with_the_time_step_at_the_order_of_the_scheme() -> None:
    def error(steps: int) -> float:
        run = solver(random_state(), time_step=0.2 / steps)
        before = run.energy()
        run.advance(steps)
        return float(((run.energy() - before) / before).abs().max())

    coarse, fine = error(40), error(80)
    # Runge-Kutta of order 4 loses energy of oscillations at order 5: a factor 32, at least 16
    assert coarse / fine > 14
    assert fine < 1e-6


def test_damping_takes_energy_away() -> None:
    run = solver(random_state(), time_step=0.002, damping=1000.0)
    before = run.energy()
    run.advance(50)
    assert bool((run.energy() < before).all())


@pytest.mark.parametrize(("kx", "ky"), [(1, 0), (0, 3), (2, -3)])
@pytest.mark.parametrize("depth", [1.0, 1.44])
def test_small_waves_follow_the_dispersion_relation(kx: int, ky: int, depth: float) -> None:
    """omega^2 = f^2 + g H k^2, with the polarisation of a Poincare wave."""
    x = torch.arange(POINTS, dtype=torch.float64) / POINTS
    phase = 2 * math.pi * (kx * x[:, None] + ky * x[None, :])
    k, (cos, sin) = (
        2 * math.pi * math.hypot(kx, ky),
        (kx / math.hypot(kx, ky), ky / math.hypot(kx, ky)),
    )
    omega, small = math.sqrt(CORIOLIS**2 + depth * k**2), 1e-6

    def exact(time: float) -> Tensor:
        wave, lag = torch.cos(phase - omega * time), torch.sin(phase - omega * time)
        along, across = omega / (k * depth) * wave, CORIOLIS / (k * depth) * lag
        velocities = [along * cos - across * sin, along * sin + across * cos]
        return small * torch.stack([wave, *velocities])

    state = exact(0.0)
    state[0] += depth - 1.0
    run = solver(state[None], time_step=0.001)
    run.advance(200)
    result = run.fields()[0]
    result[0] -= depth - 1.0
    # order 4: 200 (omega dt)^5 / 120 = 6e-7; nonlinearity: small omega t = 6e-6
    assert_close(result / small, exact(0.2) / small, rtol=0.0, atol=2e-5)


def test_a_balanced_flow_is_steady_in_the_linear_limit() -> None:
    generator = torch.Generator().manual_seed(1)
    spectrum = torch.zeros(POINTS, POINTS // 2 + 1, dtype=torch.complex128)
    spectrum[1:4, 1:4] = torch.randn(3, 3, generator=generator, dtype=torch.complex128)
    kx = 2j * math.pi * torch.fft.fftfreq(POINTS, 1 / POINTS, dtype=torch.float64)[:, None]
    ky = 2j * math.pi * torch.fft.rfftfreq(POINTS, 1 / POINTS, dtype=torch.float64)[None, :]
    parts = [CORIOLIS * spectrum, -ky * spectrum, kx * spectrum]
    balanced = torch.fft.irfft2(torch.stack(parts), norm="forward")[None]
    balanced = balanced / balanced.abs().max()

    def drift(amplitude: float) -> float:
        run = solver(amplitude * balanced, time_step=0.004)
        run.advance(50)
        return float((run.fields() - amplitude * balanced).abs().max()) / amplitude

    # what moves is the quadratic advection: 10 times weaker relative to a 10 times weaker flow
    assert drift(1e-7) == pytest.approx(0.1 * drift(1e-6), rel=1e-2)
    assert drift(1e-7) < 1e-4


def test_a_current_along_one_axis_is_steady_at_any_strength() -> None:
    y = torch.arange(POINTS, dtype=torch.float64) / POINTS
    row = torch.cos(2 * math.pi * y) + 0.3 * torch.sin(4 * math.pi * y)
    slope = 2 * math.pi * (-torch.sin(2 * math.pi * y) + 0.6 * torch.cos(4 * math.pi * y))
    height, speed = 0.2 * row, -0.2 * slope / CORIOLIS
    one = torch.ones(POINTS, 1, dtype=torch.float64)
    for order, axes in (((0, 1, 2), False), ((0, 2, 1), True)):
        sign = -1.0 if axes else 1.0
        parts = [one * height, sign * one * speed, 0 * one * speed]
        state = torch.stack(parts)[list(order)]
        state = (state.transpose(1, 2) if axes else state)[None].contiguous()
        run = solver(state, time_step=0.004)
        run.advance(100)
        # f u = -g dh/dy balances exactly; what is left is the spectral error of q = (f + curl) / h
        assert_close(run.fields(), state, rtol=0.0, atol=1e-8)


def test_time_stepping_is_of_order_four() -> None:
    state = random_state()

    def after(steps: int) -> Tensor:
        run = solver(state, time_step=0.2 / steps, damping=100.0)
        run.advance(steps)
        return run.fields()

    # steps at which the fastest wave is resolved: dt omega_max = 0.5
    results = [after(steps) for steps in (80, 160, 320)]
    ratio = float((results[0] - results[1]).norm() / (results[1] - results[2]).norm())
    assert 14 < ratio < 20


def test_resolutions_agree_where_the_flow_is_resolved() -> None:
    # the same initial state on both; its waves pass 32 / 3 points only after some time
    low, high = (
        simulate_shallow_water(
            Setup(size=32, frames=4, interval=0.025, boundary="periodic", medium="jets",
                  oversample=factor, dtype="float64"), [4])
        for factor in (2, 4)
    )  # fmt: skip
    assert_close(low.fields[:, 0], high.fields[:, 0], rtol=0.0, atol=1e-3)
    assert_close(low.fields, high.fields, rtol=0.0, atol=0.2)


def test_a_trajectory_does_not_depend_on_its_batch_mates() -> None:
    together = simulate([1, 2, 3])
    alone = simulate([2])
    # an FFT of another batch size may round differently
    assert_close(alone.fields, together.fields[1:2], rtol=0.0, atol=1e-12)


def test_single_precision_is_close_to_double() -> None:
    # 2e-7 of depths of 1, over 4 frames
    single, double = simulate([5], dtype="float32"), simulate([5])
    assert single.fields.dtype == torch.float32
    assert_close(single.fields.double(), double.fields, rtol=0.0, atol=2e-5)


def test_no_signal_is_faster_than_the_time_step_assumes() -> None:
    for across in FAMILIES.values():
        for seed in range(20):
            anomaly, u, v = draw_state(torch.Generator().manual_seed(seed), across)
            assert float((torch.hypot(u, v) + (1 + anomaly).sqrt()).max()) < MAX_SPEED
            assert float(anomaly.min()) > -0.8
            assert abs(float(anomaly.mean())) < 1e-14


@pytest.mark.parametrize("medium", SHALLOW_WATER.media)
def test_steps_of_eight_frames_differ_by_a_learnable_amount(medium: str) -> None:
    setup = Setup(size=32, frames=45, interval=SHALLOW_WATER.interval, boundary="periodic",
                  medium=medium, oversample=1)  # fmt: skip
    fields = simulate_shallow_water(setup, range(4)).fields[:, 4::8]
    ratio = fields.diff(dim=1).std(dim=(0, 1, 3, 4)) / fields.std(dim=(0, 1, 3, 4))
    # 0: nothing to learn; sqrt(2): consecutive steps are unrelated
    assert bool(((ratio > 0.15) & (ratio < 0.7)).all()), ratio


def test_bad_arguments_give_one_config_error() -> None:
    with pytest.raises(ConfigError, match="square"):
        solver(torch.zeros(1, 3, 16, 32), time_step=0.1)
    with pytest.raises(ConfigError, match="positive"):
        solver(torch.zeros(1, 3, 16, 16), time_step=0.0)
    setup = Setup(size=16, frames=2, interval=0.1, boundary="periodic", medium="vortexes")
    with pytest.raises(ConfigError, match="did you mean 'vortices'"):
        simulate_shallow_water(setup, [0])


def test_steps_for_stays_stable() -> None:
    # the Runge-Kutta limit sqrt(8) over the largest frequency
    step = 0.3 / steps_for(0.3, points=96)
    assert step * MAX_SPEED * 2 * math.pi * 32 * math.sqrt(2) <= math.sqrt(8)
