"""The criterion that ``wavelit run --criterion`` puts beside the loss of The Well's Trainer."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.autoload.records import Registration
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.hosts.the_well import channels_first
from wavelit_plugin.hosts.the_well_training import (
    TrainingCriterion,
    beside,
    register_criterion,
)
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.plugins import find_criterion

META = SimpleNamespace(boundary_condition_types=["PERIODIC"], n_spatial_dims=2)


class MSE(nn.Module):
    """As the host's: unreduced over frame and field."""

    def forward(self, x: Tensor, y: Tensor, _meta: object) -> Tensor:
        return (x - y).square().mean(dim=(2, 3))


class Loader:
    def train_dataloader(self) -> list[int]:
        return [0] * 5


def host() -> Any:
    """Return a module with a Trainer that keeps what it is given."""

    class Trainer:
        starting_epoch = 1

        def __init__(self, datamodule: Any, loss_fn: Any, epochs: int, resumed: int = 1) -> None:
            self.datamodule, self.epochs = datamodule, epochs
            self.loss_fn, self.starting_epoch = loss_fn, resumed

    module: Any = ModuleType("training")
    module.Trainer = Trainer
    return module


@pytest.fixture
def pair(rng: torch.Generator) -> list[Tensor]:
    return [torch.randn(2, 1, 16, 16, 3, generator=rng) for _ in range(2)]


def registered(module: Any) -> Registration:
    (made,) = register_criterion(module)
    return made


def test_the_term_joins_in_training_only(pair: list[Tensor]) -> None:
    module = host()
    registered(module)
    criterion = module.Trainer(Loader(), MSE(), epochs=4).loss_fn
    plain = MSE()(*pair, META)
    term = WaveletLoss(None, boundary="open")(*map(channels_first, pair))
    assert_close(criterion(*pair, META).mean(), plain.mean() + term)
    with torch.inference_mode():
        assert_close(criterion(*pair, META), plain)


def test_it_goes_by_the_name_of_the_hosts_loss() -> None:
    """The host logs, and finds its validation loss, by the name of the class."""
    criterion = beside(MSE(), find_criterion("wavelet"), steps=1)
    assert type(criterion).__name__ == "MSE"
    assert isinstance(criterion, TrainingCriterion)


def test_its_weight_follows_the_training_and_goes_on_when_resumed(pair: list[Tensor]) -> None:
    module = host()
    registered(module)
    fresh = module.Trainer(Loader(), MSE(), epochs=4).loss_fn
    resumed = module.Trainer(Loader(), MSE(), epochs=4, resumed=4).loss_fn
    fresh(*pair, META)
    assert fresh.term.weight == pytest.approx(0.1)
    assert resumed.done == 15
    for _ in range(5):
        resumed(*pair, META)
    # 19 of 20 steps were done before the last: half way down the last tenth
    assert resumed.term.weight == pytest.approx(0.06)
    with torch.no_grad():
        resumed(*pair, META)
    assert resumed.done == 20


def test_it_is_taken_back_unless_somebody_wrapped_it_since() -> None:
    module = host()
    original = module.Trainer.__init__
    made = registered(module)
    assert made.name == "wavelet"
    assert module.Trainer.__init__ is not original
    made.undo()
    assert module.Trainer.__init__ is original
    made = registered(module)

    def wrapped(_self: object) -> None: ...

    module.Trainer.__init__ = wrapped
    made.undo()
    assert module.Trainer.__init__ is wrapped


def test_an_unknown_criterion_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVELIT_CRITERION", "wavlet")
    with pytest.raises(ConfigError, match="unknown criterion 'wavlet'; did you mean 'wavelet'"):
        registered(host())
