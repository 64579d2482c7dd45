"""What a budget and an operator accept, and what a window of a roll-out is."""

import pytest

from wavelit_plugin.compare.records import Budget, Errors, Operator
from wavelit_plugin.errors import ConfigError


def test_epochs_times_epoch_steps_are_the_steps() -> None:
    budget = Budget(steps=60, epoch_steps=20)
    assert budget.epochs * budget.epoch_steps == budget.steps


@pytest.mark.parametrize(
    ("steps", "advice"),
    [(410, "use 400"), (5, "use 20"), (0, "at least 1"), (-20, "at least 1")],
)
def test_a_budget_that_is_no_whole_number_of_epochs_is_refused(steps: int, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        Budget(steps=steps)


def test_a_batch_without_samples_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size must be an integer of at least 1"):
        Budget(batch_size=0)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan")])
def test_a_learning_rate_that_does_not_learn_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Operator(name="x", arch="fno", learning_rate=rate)


def test_a_window_is_the_mean_of_the_steps_it_names_counted_from_one() -> None:
    errors = Errors(one_step=0.0, rollout=tuple(float(step) for step in range(1, 11)))
    assert errors.window(1, 5) == 3.0
    assert errors.window(6, 10) == 8.0
