"""Training with neuraloperator's own parts: the budget is kept, and units are undone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

pytest.importorskip("neuralop", reason="neuraloperator is not installed")

from wavelit_plugin.hosts.neuraloperator.training import (
    Pairs,
    Training,
    build_model,
    knows_model,
    load_pairs,
    parameters,
    predictor,
    train,
)

pytestmark = pytest.mark.host
SAMPLES = 12


@pytest.fixture
def stored(tmp_path: Path, rng: torch.Generator) -> dict[str, Tensor]:
    """A data set of 2 input channels and 1 output channel, with means and scales of their own."""
    x = 3.0 + 2.0 * torch.randn(SAMPLES, 2, 8, 8, generator=rng)
    y = -5.0 + 0.1 * torch.randn(SAMPLES, 1, 8, 8, generator=rng)
    torch.save({"x": x, "y": y}, tmp_path / "some_train_8.pt")
    return {"x": x, "y": y}


@pytest.fixture
def pairs(stored: dict[str, Tensor], tmp_path: Path) -> Pairs:
    return load_pairs(tmp_path, "some", size=8, samples=SAMPLES)


def how(**changes: Any) -> Training:
    defaults = {"learning_rate": 1e-3, "epochs": 3, "epoch_steps": 2, "batch_size": 4}
    return Training(**{**defaults, "seed": 0, "device": "cpu", **changes})


class Recorder(nn.Module):
    """One weight, called as the Trainer does; keeps what it was fed and the rate it had."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))
        self.fed: list[Tensor] = []

    def forward(self, x: Tensor, **_: Tensor) -> Tensor:
        self.fed.append(x.detach().clone())
        return self.weight * x[:, :1]


def ignore(step: int, loss: float) -> None:
    del step, loss


def test_the_channels_are_read_from_the_file(pairs: Pairs) -> None:
    assert (pairs.in_channels, pairs.out_channels) == (2, 1)


def test_training_takes_the_steps_it_was_given_and_reports_each(pairs: Pairs) -> None:
    reported: list[tuple[int, float]] = []
    model = Recorder()
    trained = train(model, pairs, how(), lambda step, loss: reported.append((step, loss)))
    assert [step for step, _ in reported] == [1, 2, 3, 4, 5, 6]
    assert [len(batch) for batch in model.fed] == [4] * 6
    pairwise = [(reported[i][1] + reported[i + 1][1]) / 2 for i in (0, 2, 4)]
    assert trained.losses == pytest.approx(pairwise)
    assert trained.seconds > 0


def test_every_operator_is_fed_the_same_batches(pairs: Pairs) -> None:
    one, other = Recorder(0.5), Recorder(-2.0)
    train(one, pairs, how(), ignore)
    torch.randn(7)  # whatever the first one drew
    train(other, pairs, how(), ignore)
    assert_close(torch.stack(one.fed), torch.stack(other.fed), rtol=0, atol=0)
    third = Recorder()
    train(third, pairs, how(seed=1), ignore)
    assert not torch.equal(torch.stack(third.fed), torch.stack(one.fed))


def test_no_sample_comes_twice_in_an_epoch(pairs: Pairs) -> None:
    model = Recorder()
    train(model, pairs, how(epochs=1, epoch_steps=3), ignore)
    fed = torch.cat(model.fed).flatten(1)
    assert len({tuple(sample.tolist()) for sample in fed}) == SAMPLES


def test_models_see_normalised_channels(pairs: Pairs) -> None:
    model = Recorder()
    train(model, pairs, how(epochs=1, epoch_steps=3), ignore)
    fed = torch.cat(model.fed)
    # float32 rounding of the mean of 768 numbers of size 3, and the host's eps of 1e-7
    assert_close(fed.mean(dim=(0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
    assert_close(fed.std(dim=(0, 2, 3)), torch.ones(2), rtol=1e-4, atol=0)


def test_the_first_loss_is_the_relative_error_of_a_normalised_field(pairs: Pairs) -> None:
    """Predicting zero has a relative error of one, whatever the units."""
    first: list[float] = []
    train(Recorder(0.0), pairs, how(epochs=1, epoch_steps=1), lambda _, loss: first.append(loss))
    assert first == pytest.approx([1.0], abs=1e-5)  # the host's eps of 1e-8, in float32


def test_a_predictor_takes_and_returns_physical_units(
    pairs: Pairs, stored: Mapping[str, Tensor]
) -> None:
    """The model that copies its input gives the target's mean and scale to the input's shape."""
    x, y = stored["x"], stored["y"]
    expected = (x[:, :1] - x[:, :1].mean()) / x[:, :1].std() * y.std() + y.mean()
    model = Recorder(1.0)
    predicted = predictor(model, pairs)(x)
    assert not model.training
    assert_close(predicted, expected, rtol=1e-5, atol=1e-6)  # float32, the host's eps of 1e-7


def test_models_are_built_by_name_with_the_channels_of_the_data(pairs: Pairs) -> None:
    options = {"n_modes": [4, 4], "hidden_channels": 8, "n_layers": 1}
    model = build_model("fno", pairs, options)
    assert model(torch.zeros(1, 2, 8, 8)).shape == (1, 1, 8, 8)
    assert knows_model("FNO")
    assert not knows_model("wavenothing")


def test_a_complex_parameter_counts_as_two() -> None:
    model = nn.Module()
    model.register_parameter("real", nn.Parameter(torch.zeros(3)))
    model.register_parameter("complex", nn.Parameter(torch.zeros(5, dtype=torch.cfloat)))
    assert parameters(model) == 13


def test_the_hosts_warning_about_its_own_trainer_is_not_shown(
    pairs: Pairs, recwarn: pytest.WarningsRecorder
) -> None:
    options = {"n_modes": [4, 4], "hidden_channels": 8, "n_layers": 1}
    train(build_model("fno", pairs, options), pairs, how(epochs=1), ignore)
    assert [str(warning.message) for warning in recwarn] == []
