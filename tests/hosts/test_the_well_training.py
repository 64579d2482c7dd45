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
from wavelit_plugin.hosts.the_well.model import WaveLiTModel, channels_first
from wavelit_plugin.hosts.the_well.training import register_criterion, register_targets
from wavelit_plugin.loss import WaveletLoss

META = SimpleNamespace(boundary_condition_types=["PERIODIC"], n_spatial_dims=2)


class MSE(nn.Module):
    """As the host's: unreduced over frame and field."""

    def forward(self, x: Tensor, y: Tensor, _meta: object) -> Tensor:
        return (x - y).square().mean(dim=(2, 3))


class Formatter:
    """As the host's for channels first."""

    def process_input(self, data: dict[str, Tensor]) -> tuple[tuple[Tensor], Tensor]:
        x = data["input_fields"].movedim(-1, 2).flatten(1, 2)
        return (torch.nan_to_num(x),), torch.nan_to_num(data["output_fields"])


def host() -> Any:
    """Return a module with a Trainer of the parts that we touch."""

    class Trainer:
        device = torch.device("cpu")

        def __init__(self, loss_fn: Any, epochs: int, model: Any = None) -> None:
            self.loss_fn, self.max_epoch, self.model = loss_fn, epochs, model

        def train_one_epoch(self, _epoch: int, dataloader: Any) -> list[Any]:
            return [self.loss_fn for _ in dataloader]

        def rollout_model(self, model: Any, batch: Any, formatter: Any, _train: bool = True) -> Any:
            steps, moving = batch["output_fields"].shape[1], dict(batch)
            outputs = []
            for _ in range(steps):
                (x,), _ = formatter.process_input(moving)
                y = model(x).movedim(1, -1)[:, None]
                moving["input_fields"] = torch.cat([moving["input_fields"][:, 1:], y], dim=1)
                outputs.append(y)
            return torch.cat(outputs, dim=1), batch["output_fields"]

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
    loss = MSE()
    trainer = module.Trainer(loss, epochs=4)
    (criterion,) = trainer.train_one_epoch(1, [0])
    term = WaveletLoss(None, boundary="open")(*map(channels_first, pair))
    assert_close(criterion(*pair, META).mean(), loss(*pair, META).mean() + term)
    assert trainer.loss_fn is loss  # what the host evaluates by, and whose name it logs


def test_the_hosts_loss_is_back_after_an_epoch_that_fails() -> None:
    module = host()
    registered(module)
    loss = MSE()
    trainer = module.Trainer(loss, epochs=4)
    with pytest.raises(ZeroDivisionError):
        trainer.train_one_epoch(1, Broken())
    assert trainer.loss_fn is loss


class Broken:
    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        raise ZeroDivisionError


def test_its_weight_follows_the_training_from_the_hosts_count_of_epochs(pair: list[Tensor]) -> None:
    module = host()
    registered(module)

    def weights(epochs: range) -> dict[int, list[float]]:
        trainer = module.Trainer(MSE(), epochs=10)
        found: dict[int, list[float]] = {}
        for epoch in epochs:
            found[epoch] = []
            for criterion in trainer.train_one_epoch(epoch, [0] * 5):
                criterion(*pair, META)
                found[epoch].append(criterion.term.term.weight)
        return found

    whole, resumed = weights(range(1, 11)), weights(range(8, 11))
    assert resumed == {epoch: whole[epoch] for epoch in range(8, 11)}
    assert whole[9] == [pytest.approx(0.1)] * 5
    # linearly from 0.1 to 0.02 in the last of ten epochs
    assert whole[10] == [pytest.approx(0.1 - 0.08 * done / 5) for done in range(5)]


def test_a_criterion_is_one_in_all_epochs_of_a_trainer() -> None:
    module = host()
    registered(module)
    trainer, other = (module.Trainer(MSE(), epochs=2) for _ in range(2))
    terms = [each.train_one_epoch(1, [0])[0].term.term for each in (trainer, trainer, other)]
    assert terms[0] is terms[1]
    assert terms[0] is not terms[2]


def test_it_is_taken_back_unless_somebody_wrapped_it_since(pair: list[Tensor]) -> None:
    module = host()
    original = module.Trainer.train_one_epoch
    made = registered(module)
    assert made.name == "wavelet"
    ours = module.Trainer.train_one_epoch
    assert ours is not original
    made.undo()
    assert module.Trainer.train_one_epoch is original
    made = registered(module)
    ours = module.Trainer.train_one_epoch

    def wrapped(self: Any, epoch: int, dataloader: Any) -> Any:
        return ours(self, epoch, dataloader)

    module.Trainer.train_one_epoch = wrapped
    made.undo()
    assert module.Trainer.train_one_epoch is wrapped
    loss = MSE()
    assert module.Trainer(loss, epochs=1).train_one_epoch(1, [0]) == [loss]  # without our term


def model(**knobs: Any) -> WaveLiTModel:
    sizes: dict[str, Any] = {"n_spatial_dims": 2, "spatial_resolution": (16, 16)}
    small: dict[str, Any] = {"width": 8, "heads": 1, "depth": 1, "levels": 1}
    return WaveLiTModel(dim_in=3, dim_out=3, **sizes, **small, **knobs)


@pytest.mark.parametrize("kind", ["", "the_well.data.datasets.DeltaWellDataset"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_target_of_training_sets_the_scales_of_the_output(
    pair: list[Tensor], kind: str, *, wrapped: bool
) -> None:
    module, ours = host(), model(train_dataset=kind)
    (made,) = register_targets(module)
    batch = {"input_fields": pair[0], "output_fields": 100 * pair[1]}
    shown = nn.DataParallel(ours) if wrapped else ours  # one of the wrappers of a model
    trainer = module.Trainer(MSE(), 1)
    ours.eval()
    with torch.no_grad():
        trainer.rollout_model(shown, batch, Formatter(), train=False)
    ours.train()
    trainer.rollout_model(shown, batch, Formatter())[0].sum().backward()
    _, outer = ours.core.normalizer.field_scales()
    # of a target that has nothing to do with the input
    expected = (100 * pair[1]).std(dim=(0, 1, 2, 3), unbiased=False)
    assert_close(outer, expected, rtol=0.05, atol=0.0)
    made.undo()


def test_each_step_of_a_roll_out_is_shown_its_own_target(rng: torch.Generator) -> None:
    module, ours = host(), model()
    list(register_targets(module))
    u = torch.randn(2, 3, 8, 8, 3, generator=rng)
    seen: list[Tensor | None] = []
    ours.core.register_forward_pre_hook(
        lambda _core, _args, given: seen.append(given["target"]), with_kwargs=True
    )
    batch = {"input_fields": u[:, :1], "output_fields": u[:, 1:]}
    module.Trainer(MSE(), 1).rollout_model(ours.train(), batch, Formatter())
    ours(torch.zeros(1, 3, 8, 8))  # a call outside of the Trainer sees none
    module.Trainer(MSE(), 1).rollout_model(ours, batch, Formatter(), train=False)
    assert [None if each is None else each.movedim(1, -1).tolist() for each in seen] == [
        *(frame.tolist() for frame in u[:, 1:].unbind(1)),
        *[None] * 3,
    ]


def test_the_hosts_own_models_are_called_as_before(pair: list[Tensor]) -> None:
    module = host()
    list(register_targets(module))
    batch = {"input_fields": pair[0], "output_fields": pair[1]}
    predicted, _ = module.Trainer(MSE(), 1).rollout_model(nn.Identity(), batch, Formatter())
    assert_close(predicted, pair[0])


def test_an_unknown_criterion_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVELIT_CRITERION", "wavlet")
    with pytest.raises(ConfigError, match="unknown criterion 'wavlet'; did you mean 'wavelet'"):
        registered(host())
