"""The Gray-Scott solver against exact solutions, its own order, and finer grids."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data import gray_scott
from wavelit_plugin.data.gray_scott import (
    DIFFUSIVITIES,
    MAX_STEP,
    PATTERNS,
    GrayScottSolver,
    Rates,
    draw_state,
    simulate_gray_scott,
    steps_for,
)
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.datasets import Setup, Trajectories

POINTS = 64
SPOTS = PATTERNS["spots"]


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frame 0 comes soon: the patterns need not have formed for these laws."""
    monkeypatch.setattr(gray_scott, "TRANSIENT", 20.0)


def state(points: int = POINTS) -> Tensor:
    return draw_state(torch.Generator().manual_seed(3), points)[None]


def advanced(u: Tensor, time: float, steps: int, rates: Rates = SPOTS) -> Tensor:
    solver = GrayScottSolver(u, rates=rates, time_step=time / steps)
    solver.advance(steps)
    return solver.fields()


def simulate(seeds: list[int], **changes: object) -> Trajectories:
    arguments: dict[str, object] = {
        "size": 64, "frames": 2, "interval": 20.0, "boundary": "periodic", "medium": "spirals",
        "dtype": "float32",
    }  # fmt: skip
    return simulate_gray_scott(Setup(**{**arguments, **changes}), seeds)  # type: ignore[arg-type]


@pytest.mark.parametrize("wave", [0, 1, 5, 20])
def test_without_b_a_decays_to_one_at_the_exact_rate(wave: int) -> None:
    x = torch.arange(POINTS, dtype=torch.float64) / POINTS
    deviation = 0.3 * torch.cos(2 * math.pi * wave * x)[:, None].expand(-1, POINTS)
    start = torch.stack([1 + deviation, torch.zeros_like(deviation)])[None]
    rate = SPOTS.feed + DIFFUSIVITIES[0] * (2 * math.pi * wave) ** 2
    (a, b) = advanced(start, 50.0, 5)[0]
    # nothing reacts, so that the scheme is exact up to rounding
    assert_close(a, 1 + deviation * math.exp(-50.0 * rate), rtol=0.0, atol=1e-13)
    assert_close(b, torch.zeros_like(b), rtol=0.0, atol=1e-15)


def test_uniform_concentrations_follow_the_ordinary_differential_equation() -> None:
    a, b, feed, kill = 0.5, 0.3, *SPOTS
    count = 4000  # classical Runge-Kutta, its error at this step is below 1e-13

    def slope(a: float, b: float) -> tuple[float, float]:
        made = a * b * b
        return feed * (1 - a) - made, made - (feed + kill) * b

    h = 40.0 / count
    for _ in range(count):
        k1 = slope(a, b)
        k2 = slope(a + h / 2 * k1[0], b + h / 2 * k1[1])
        k3 = slope(a + h / 2 * k2[0], b + h / 2 * k2[1])
        k4 = slope(a + h * k3[0], b + h * k3[1])
        a += h / 6 * (k1[0] + 2 * k2[0] + 2 * k3[0] + k4[0])
        b += h / 6 * (k1[1] + 2 * k2[1] + 2 * k3[1] + k4[1])
    start = torch.tensor([0.5, 0.3], dtype=torch.float64)[None, :, None, None].expand(1, 2, 8, 8)
    found = advanced(start, 40.0, 400)
    expected = torch.tensor([a, b], dtype=torch.float64)[None, :, None, None].expand(1, 2, 8, 8)
    assert_close(found, expected, rtol=0.0, atol=1e-8)  # order 4 at a step of 0.1


def test_the_scheme_is_of_order_four() -> None:
    exact = advanced(state(), 40.0, 640)
    errors = [float((advanced(state(), 40.0, steps) - exact).abs().max()) for steps in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert 3.5 < math.log2(coarse / fine) < 4.5


def test_the_reaction_alone_keeps_the_sum_of_both() -> None:
    start = state()
    # what is not fed, removed or of different mobility only changes from A to B
    after = advanced(start, 100.0, 100, Rates(0.0, 0.0))
    assert_close(after.mean(dim=(2, 3)).sum(), start.mean(dim=(2, 3)).sum(), rtol=1e-12, atol=0.0)
    assert float((after - start).abs().max()) > 0.1


def test_a_turned_start_gives_a_turned_end() -> None:
    start = state()
    turned = advanced(start.mT.contiguous(), 60.0, 60).mT
    assert_close(turned, advanced(start, 60.0, 60), rtol=0.0, atol=1e-12)


def test_a_finer_grid_gives_the_same_fields() -> None:
    coarse, fine = (
        GrayScottSolver(state(points), rates=SPOTS, time_step=1.0) for points in (128, 256)
    )
    for solver in (coarse, fine):
        solver.advance(20)
    difference = (coarse.fields(64) - fine.fields(64)).square().mean().sqrt()
    assert float(difference) < 0.03 * float(fine.fields(64).std())  # 0.022 was measured


@pytest.mark.parametrize("medium", ["spirals", "worms"])
@pytest.mark.usefixtures("early")
def test_a_trajectory_depends_on_its_seed_only(medium: str) -> None:
    both, alone = simulate([1, 2], medium=medium), simulate([2], medium=medium)
    assert torch.equal(both.fields[1], alone.fields[0])
    assert float((both.fields[0] - both.fields[1]).abs().max()) > 0.2
    assert both.constants.shape == (2, 0, 64, 64)
    assert_close(both.parameters, torch.tensor([PATTERNS[medium]]).expand(2, -1))


@pytest.mark.usefixtures("early")
def test_concentrations_stay_between_zero_and_one_up_to_the_stored_waves() -> None:
    fields = simulate([1, 2]).fields
    assert fields.shape == (2, 2, 2, 64, 64)
    assert float(fields.min()) > -0.01
    assert float(fields.max()) < 1.01
    assert float(fields.diff(dim=1).std()) > 0.02  # something happens within a frame


def test_steps_are_no_longer_than_the_largest() -> None:
    for interval in (0.3, 1.0, 20.0, 20.1):
        assert interval / steps_for(interval) <= MAX_STEP


def test_too_coarse_a_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="oversample of 4"):
        simulate([1], size=32, oversample=2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"rates": Rates(-0.1, 0.0)}, "at least 0"), ({"time_step": 0.0}, "positive")],
)
def test_bad_numbers_are_refused(changes: dict[str, object], reason: str) -> None:
    given: dict[str, object] = {"rates": SPOTS, "time_step": 1.0, **changes}
    with pytest.raises(ConfigError, match=reason):
        GrayScottSolver(state(), **given)  # type: ignore[arg-type]
