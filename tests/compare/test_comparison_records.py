"""What a budget and an operator accept."""

import pytest

from wavelit_plugin.compare.records import Budget, Operator
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
