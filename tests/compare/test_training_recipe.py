"""Options of the training of a comparison: rate, policy, cost, and which data they suit."""

import time
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare import training
from wavelit_plugin.compare.batches import PlainBatches, draw_batches
from wavelit_plugin.compare.contestants import find_contestants
from wavelit_plugin.compare.experiment import Experiment
from wavelit_plugin.compare.measure import roll_out, rolled_trajectories
from wavelit_plugin.compare.request import (
    PLAIN,
    Recipe,
    Spend,
)
from wavelit_plugin.compare.store import RunSpec
from wavelit_plugin.compare.training import (
    POLICY,
    Optimizer,
    Training,
    policy_of,
    rate_factor,
    train,
)
from wavelit_plugin.data.readers import GridData, Pairs
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import OperatorRecord


def silent(*_: object) -> None:
    """For reports that nobody reads."""


def test_a_fine_tuning_has_a_rate_of_its_own_at_the_end() -> None:
    for progress in (0.01, 0.3, 0.8):
        assert rate_factor(0.9 * progress, 0.1) == pytest.approx(rate_factor(progress))
    late = [rate_factor(0.9 + 0.001 * number, 0.1) for number in range(101)]
    assert late[0] == pytest.approx(0.1)
    assert late == sorted(late, reverse=True)
    assert late[-1] == pytest.approx(0.0, abs=1e-12)
    assert [rate_factor(share, 0.0) for share in (0.2, 0.95)] == [
        rate_factor(0.2),
        rate_factor(0.95),
    ]


def test_without_options_the_policy_is_what_it_always_was() -> None:
    assert policy_of(PLAIN) == POLICY
    assert policy_of(Recipe()) == {
        "optimizer": "AdamW",
        "betas": [0.9, 0.999],
        "weight_decay": 1e-4,
        "clip_norm": 1.0,
        "warm_up": 0.05,
        "schedule": "linear warm-up, cosine to 0, by the share of the budget that is spent",
    }
    on = policy_of(Recipe(noise=0.5, push_forward=0.1, cycle_shift=4))
    added = {"noise": 0.5, "push_forward": 0.1, "cycle_shift": 4, "fine_tuning_rate": 0.1}
    assert on == {**POLICY, **added}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"noise": -0.5}, "noise must be at least 0 and finite, got -0.5"),
        ({"noise": float("nan")}, "noise must be at least 0"),
        ({"noise": float("inf")}, "noise must be at least 0"),
        ({"push_forward": 1.0}, "push-forward is a share of the budget, at least 0 and below 1"),
        ({"push_forward": -0.1}, "push-forward is a share"),
        ({"cycle_shift": -1}, "cycle-shift must be an integer of at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipe(**values)


def experiment_of(data: GridData, recipe: Recipe, **changes: Any) -> Experiment:
    values = {"target": "change", "spend": Spend(steps=4), "batch_size": 4, "device": "cpu"}
    return Experiment(data, recipe=recipe, **{**values, **changes})


def static(data: GridData) -> GridData:
    return replace(data, continues=False, trajectories=None)


def alone(data: GridData) -> GridData:
    """Every fifth sample: no two of one trajectory."""
    return replace(data, train=Pairs(*(part[::5] for part in data.train)))


def test_data_that_do_not_suit_the_options_are_named(wave_data: GridData) -> None:
    for recipe in (Recipe(noise=1.0), Recipe(push_forward=0.1), Recipe(cycle_shift=4)):
        with pytest.raises(ConfigError, match=r"options for roll-outs .* need data that continue"):
            experiment_of(static(wave_data), recipe, target="state")
    with pytest.raises(
        ConfigError, match="at least 3 frames, and no sample of acoustics_16 follows"
    ):
        experiment_of(alone(wave_data), Recipe(push_forward=0.1))
    with pytest.raises(ConfigError, match=r"rolls periodic axes, got boundary \('open', 'open'\)"):
        experiment_of(wave_data, Recipe(cycle_shift=4))
    experiment_of(alone(wave_data), Recipe(noise=1.0))


@pytest.mark.parametrize(
    "recipe", [Recipe(noise=1.0), Recipe(push_forward=0.5), Recipe(noise=1.0, push_forward=0.5)]
)
def test_options_change_the_training_and_repeat_themselves(
    wave_data: GridData, tiny_operators: dict[str, OperatorRecord], recipe: Recipe
) -> None:
    del tiny_operators
    (tiny,) = find_contestants(["tiny"])
    job = RunSpec(label="tiny", learning_rate=1e-2, seed=1)

    def weights(chosen: Recipe) -> list[Tensor]:
        fitted = experiment_of(wave_data, chosen).learn(tiny, None, job, silent)
        assert not fitted.model.training
        return list(fitted.model.parameters())

    plain, first, again = weights(PLAIN), weights(recipe), weights(recipe)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(first, plain, strict=True))


@pytest.mark.usefixtures("tiny_operators")
@pytest.mark.parametrize("recipe", [PLAIN, Recipe(noise=1.0), Recipe(push_forward=0.5)])
def test_the_steps_have_the_rates_of_the_recipe(
    wave_data: GridData, monkeypatch: pytest.MonkeyPatch, recipe: Recipe
) -> None:
    factors: list[float] = []

    class Noted(Optimizer):
        def __call__(self, *arguments: Any) -> Tensor:
            factors.append(arguments[-1])
            return super().__call__(*arguments)

    monkeypatch.setattr(training, "Optimizer", Noted)
    (tiny,) = find_contestants(["tiny"])
    job = RunSpec(label="tiny", learning_rate=1e-2, seed=1)
    experiment_of(wave_data, recipe).learn(tiny, None, job, silent)
    assert factors == [rate_factor((k + 0.5) / 4, recipe.push_forward) for k in range(4)]


def test_the_extra_predictions_are_on_the_clock() -> None:
    x = torch.randn(6, 1, 8)

    class Slow(PlainBatches):
        def batch(self, index: Tensor, progress: float = 0.0) -> tuple[Tensor, Tensor]:
            time.sleep(0.05)
            return super().batch(index, progress)

        def update(self, answer: Tensor, target: Tensor) -> None:
            assert answer.shape == target.shape
            time.sleep(0.05)

    how = Training(spend=Spend(steps=3), learning_rate=1e-3)
    batches = Slow(x, x, F.mse_loss, batch_size=2, seed=0)
    found = train(nn.Conv1d(1, 1, 1), batches, how, report=silent)
    assert found.seconds >= 0.3
    assert found.step_seconds is not None
    assert found.step_seconds >= 0.1


def test_what_is_learnt_is_told_of_the_batch_and_its_answer() -> None:
    x = torch.randn(6, 1, 8)
    told: list[tuple[Tensor, Tensor]] = []

    class Noted(PlainBatches):
        def update(self, answer: Tensor, target: Tensor) -> None:
            told.append((answer, target))

    model = nn.Conv1d(1, 1, 1)
    how = Training(spend=Spend(steps=1), learning_rate=1e-3)
    index = next(draw_batches(6, 2, 3))
    expected = model(x[index]).detach()
    train(model, Noted(x, 2 * x, F.mse_loss, batch_size=2, seed=3), how, report=silent)
    ((answer, target),) = told
    assert_close(answer, expected)
    assert torch.equal(target, 2 * x[index])
    assert not answer.requires_grad


def test_a_cycle_shift_is_begun_anew_for_each_batch_of_roll_outs(wave_data: GridData) -> None:
    test = rolled_trajectories(wave_data)
    assert test is not None
    wrapped: list[int] = []

    def counting(step: Any) -> Any:
        wrapped.append(1)
        return step

    errors, _ = roll_out(lambda u: u[:, :3], test, "cpu", wrapped=counting)
    assert wrapped == [1]
    assert errors == roll_out(lambda u: u[:, :3], test, "cpu")[0]
