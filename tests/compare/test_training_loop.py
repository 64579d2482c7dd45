"""The training loop: its arithmetic, its order of samples, its budget and its clock."""

import math
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare.batches import PlainBatches, draw_batches
from wavelit_plugin.compare.request import Spend
from wavelit_plugin.compare.training import (
    CURVE_POINTS,
    Trained,
    Training,
    rate_factor,
    share,
    train,
)

SAMPLES = 12


class Spectral(nn.Module):
    """A convolution and complex weights, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.inner = nn.Conv1d(1, 3, 3, padding=1, dtype=torch.float64)
        self.mix = nn.Parameter(torch.randn(3, 5, dtype=torch.complex128))
        self.unused = nn.Parameter(torch.ones(2, dtype=torch.complex128))

    def forward(self, u: Tensor) -> Tensor:
        waves = torch.fft.rfft(self.inner(u)) * self.mix
        return torch.fft.irfft(waves, n=8).sum(dim=1, keepdim=True)


def pairs(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    x = torch.randn(SAMPLES, 1, 8, dtype=torch.float64, generator=rng)
    return x, 3 * x.roll(1, dims=2)


def silent(share: float, loss: float) -> None:
    del share, loss


def trained(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    spend: Spend,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    report: Callable[[float, float], object] = silent,
    prepare: Callable[[], object] | None = None,
) -> Trained:
    batches = PlainBatches(*data, loss, batch_size=5, seed=3)
    how = Training(spend=spend, learning_rate=0.01)
    return train(model, batches, how, prepare=prepare, report=report)


def test_a_step_is_adamw_on_clipped_gradients_for_complex_weights_too(rng: torch.Generator) -> None:
    x, y = pairs(rng)
    ours, reference = Spectral(), Spectral()
    trained(ours, (x, y), Spend(steps=7))
    # torch's own: complex AdamW, complex norm
    optimizer = torch.optim.AdamW(reference.parameters(), betas=(0.9, 0.999), weight_decay=1e-4)
    batches = draw_batches(SAMPLES, 5, 3)
    for step in range(7):
        optimizer.param_groups[0]["lr"] = 0.01 * rate_factor((step + 0.5) / 7)
        optimizer.zero_grad()
        index = next(batches)
        F.mse_loss(reference(x[index]), y[index]).backward()
        nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimizer.step()
    for mine, theirs in zip(ours.parameters(), reference.parameters(), strict=True):
        # the fused form orders its operations differently: rounding of float64, grown in 7 steps
        assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(
    rng: torch.Generator,
) -> None:
    data = pairs(rng)
    models = [Spectral(), Spectral()]
    losses = []
    for model in models:
        losses.append([point[2] for point in trained(model, data, Spend(steps=9)).curve])
        torch.randn(3)
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*(m.parameters() for m in models), strict=True))


def test_every_sample_comes_once_before_any_comes_again() -> None:
    batches = draw_batches(SAMPLES, 5, seed=0)
    drawn = torch.cat([next(batches) for _ in range(12)])
    assert all(len(batch) == 5 for batch in drawn.split(5))
    for epoch in drawn.split(SAMPLES):
        assert sorted(epoch.tolist()) == list(range(SAMPLES))
    again = draw_batches(SAMPLES, 5, seed=0)
    assert torch.equal(drawn, torch.cat([next(again) for _ in range(12)]))


def test_another_seed_draws_another_order() -> None:
    orders = {tuple(next(draw_batches(SAMPLES, SAMPLES, seed)).tolist()) for seed in range(4)}
    assert len(orders) == 4


def test_batches_larger_than_the_data_are_full() -> None:
    assert len(next(draw_batches(3, 8, seed=0))) == 8


def test_the_rate_rises_and_then_falls_to_zero() -> None:
    factors = [rate_factor(number / 1000) for number in range(1001)]
    top = factors.index(1.0)
    assert top == 50
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[0] > 0
    assert factors[-1] == pytest.approx(0.0, abs=1e-15)


def test_the_share_of_a_budget() -> None:
    assert share(Spend(steps=4), steps=1, seconds=99.0) == 1.5 / 4
    assert share(Spend(seconds=10.0), steps=99, seconds=2.5) == 0.25


def test_a_budget_in_seconds_ends_within_a_step(rng: torch.Generator) -> None:
    found = trained(Spectral(), pairs(rng), Spend(seconds=0.1))
    assert found.steps > 1
    assert found.seconds >= 0.1
    assert found.curve[-1][1] == pytest.approx(found.seconds)


def test_nothing_but_training_is_on_the_clock(rng: torch.Generator) -> None:
    def slow(share: float, loss: float) -> None:
        del share, loss
        time.sleep(0.05)

    found = trained(Spectral(), pairs(rng), Spend(steps=10), report=slow)
    began = time.perf_counter()
    trained(Spectral(), pairs(rng), Spend(steps=10))
    alone = time.perf_counter() - began
    # reports took half a second; a busy machine may slow training down, but not by that much
    assert found.seconds < alone + 0.25
    assert found.step_seconds is not None
    assert found.step_seconds < 0.05


def test_preparation_comes_first_and_is_on_the_clock(rng: torch.Generator) -> None:
    order: list[str] = []

    def prepare() -> None:
        time.sleep(0.05)
        order.append("prepare")

    def report(share: float, loss: float) -> None:
        del share, loss
        order.append("step")

    found = trained(Spectral(), pairs(rng), Spend(steps=2), prepare=prepare, report=report)
    assert order == ["prepare", "step", "step"]
    assert found.seconds > 0.05


def test_a_loss_that_is_not_finite_ends_the_training(rng: torch.Generator) -> None:
    calls: list[int] = []

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        calls.append(1)
        return F.mse_loss(prediction, target) * (math.nan if len(calls) > 3 else 1.0)

    found = trained(Spectral(), pairs(rng), Spend(steps=50), loss=loss)
    assert found.diverged
    assert found.steps == 4
    assert all(math.isfinite(point[2]) for point in found.curve)


def test_a_loss_that_heeds_progress_hears_of_it(rng: torch.Generator) -> None:
    class Heeding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[float] = []

        def set_progress(self, progress: float) -> None:
            self.heard.append(progress)

        def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
            return F.mse_loss(prediction, target)

    loss = Heeding()
    trained(Spectral(), pairs(rng), Spend(steps=4), loss=loss)
    assert loss.heard == [0.125, 0.375, 0.625, 0.875]


def test_the_curve_has_a_hundred_points_at_most_and_means_of_all_losses(
    rng: torch.Generator,
) -> None:
    losses: list[float] = []
    found = trained(
        Spectral(), pairs(rng), Spend(steps=250), report=lambda _, loss: losses.append(loss)
    )
    assert len(found.curve) <= CURVE_POINTS
    assert found.curve[-1][0] == 250
    assert found.curve[0][2] == pytest.approx(sum(losses[:3]) / 3)
    seconds = [point[1] for point in found.curve]
    assert seconds == sorted(seconds)
