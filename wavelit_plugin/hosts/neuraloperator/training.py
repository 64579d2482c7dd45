"""Build, train and apply models the way a user of neuraloperator does: its own parts, unchanged.

Its ``get_model`` builds from a name, its ``PTDataset`` reads and normalises, its ``Trainer``
trains. What is added is a count of the steps, for a progress bar.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from neuralop import LpLoss, Trainer, get_model
from neuralop.data.datasets.pt_dataset import PTDataset
from neuralop.models.base_model import available_models
from neuralop.training import AdamW
from neuralop.utils import count_model_params
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, RandomSampler
from zencfg.bunch import Bunch

from wavelit_plugin.shapes import Field

_WEIGHT_DECAY = 1e-4
# the host's warning that its own Trainer provokes: it hands the target to every model
_HOST_NOISE = r".*received unexpected keyword arguments: \['y'\]"


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The host's data set of inputs ``x`` and targets ``y``, both (sample, channel, *space).

    Attributes:
        train: samples ``{"x": ..., "y": ...}`` in physical units.
        processor: the host's data processor, which normalises every channel.
        in_channels: channels of ``x``.
        out_channels: channels of ``y``.
    """

    train: Any
    processor: Any
    in_channels: int
    out_channels: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained: with the host's Trainer, AdamW and relative L2 loss.

    Attributes:
        learning_rate: at the start; it falls to 0 along a cosine.
        epochs: the schedule steps once an epoch, as the Trainer has it.
        epoch_steps: batches an epoch, drawn without replacement; not the whole data set, since
            a small budget would leave the schedule too few steps.
        batch_size: samples a step.
        seed: of the order of the samples.
        device: where to train.
    """

    learning_rate: float
    epochs: int
    epoch_steps: int
    batch_size: int
    seed: int
    device: str


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training cost in seconds, and its mean loss (relative L2 of a field) each epoch."""

    seconds: float
    losses: tuple[float, ...]


def load_pairs(folder: Path, name: str, *, size: int, samples: int) -> Pairs:
    """Read ``NAME_train_SIZE.pt`` with the host's ``PTDataset``, which fits the normalisers."""
    data = PTDataset(
        root_dir=folder,
        dataset_name=name,
        n_train=samples,
        n_tests=[],
        batch_size=1,
        test_batch_sizes=[],
        train_resolution=size,
        test_resolutions=[],
        encode_input=True,
        encode_output=True,
        channels_squeezed=False,
    )
    first = data.train_db[0]
    return Pairs(
        train=data.train_db,
        processor=data.data_processor,
        in_channels=first["x"].shape[0],
        out_channels=first["y"].shape[0],
    )


def knows_model(arch: str) -> bool:
    """Say whether ``get_model`` can build it."""
    return arch.lower() in available_models()


def build_model(arch: str, pairs: Pairs, options: Mapping[str, Any]) -> nn.Module:
    """Return ``get_model`` of a config with these options, as the host's scripts have it."""
    channels = {"data_channels": pairs.in_channels, "out_channels": pairs.out_channels}
    return get_model(Bunch({"model": {"model_arch": arch, **channels, **options}}))


def parameters(model: nn.Module) -> int:
    """Return the host's own count of parameters; a complex one counts as two."""
    return int(count_model_params(model))


def train(
    model: nn.Module, pairs: Pairs, how: Training, watch: Callable[[int, float], object]
) -> Trained:
    """Train ``model`` in place.

    Args:
        model: built by ``build_model``.
        pairs: what it is trained on.
        how: the budget and the learning rate.
        watch: called after every loss with the number of steps and the loss.
    """
    optimizer = AdamW(model.parameters(), lr=how.learning_rate, weight_decay=_WEIGHT_DECAY)
    trainer = Trainer(
        model=model, n_epochs=how.epochs, device=how.device, data_processor=pairs.processor
    )
    loss = _WatchedLoss(watch)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_HOST_NOISE, category=UserWarning)
        trainer.train(
            train_loader=_loader(pairs, how),
            test_loaders={},
            optimizer=optimizer,
            scheduler=CosineAnnealingLR(optimizer, T_max=how.epochs),
            training_loss=loss,
        )
    return Trained(seconds=time.perf_counter() - start, losses=loss.by_epoch(how.epoch_steps))


def predictor(model: nn.Module, pairs: Pairs) -> Callable[[Field], Field]:
    """Return the trained model as a function of physical units: normalise, predict, undo."""
    inner, outer = pairs.processor.in_normalizer, pairs.processor.out_normalizer
    model.eval()

    def step(u: Field) -> Field:
        return outer.inverse_transform(model(inner.transform(u)))

    return step


def _loader(pairs: Pairs, how: Training) -> DataLoader[Any]:
    sampler = RandomSampler(
        pairs.train,
        num_samples=how.epoch_steps * how.batch_size,
        generator=torch.Generator().manual_seed(how.seed),
    )
    return DataLoader(pairs.train, batch_size=how.batch_size, sampler=sampler)


class _WatchedLoss:
    """The host's relative L2 loss, summed over batch and channels, that reports every value."""

    def __init__(self, watch: Callable[[int, float], object]) -> None:
        self.loss, self.watch = LpLoss(d=2, p=2), watch
        self.values: list[float] = []

    def __call__(self, prediction: Field, y: Field, **_sample: object) -> Tensor:
        value: Tensor = self.loss(prediction, y)
        self.values.append(value.item() / (y.shape[0] * y.shape[1]))
        self.watch(len(self.values), self.values[-1])
        return value

    def by_epoch(self, epoch_steps: int) -> tuple[float, ...]:
        starts = range(0, len(self.values), epoch_steps)
        return tuple(sum(self.values[i : i + epoch_steps]) / epoch_steps for i in starts)
