"""The Well's Trainer: it shows our model its targets, and may have a criterion beside its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.autoload.records import Registration, wrap_method
from wavelit_plugin.hosts.criterion import EpochTerm, Terms, asked_criterion
from wavelit_plugin.hosts.the_well.model import ChannelsLast, WaveLiTModel, channels_first


class TrainingCriterion:
    """The host's loss and a term beside it, in one epoch of training.

    Args:
        host: the host's loss, unreduced or not.
        term: the criterion's, reduced to the mean over the batch.
    """

    def __init__(self, host: Callable[..., Tensor], term: EpochTerm) -> None:
        self.host, self.term = host, term

    def __call__(self, prediction: ChannelsLast, reference: ChannelsLast, metadata: Any) -> Tensor:
        """Return the loss; its mean is that of the host's, and the term."""
        term = self.term(channels_first(prediction), channels_first(reference))
        return self.host(prediction, reference, metadata) + term


def register_targets(module: ModuleType) -> Iterator[Registration]:
    """Wrap ``Trainer.rollout_model`` so that our model is shown the targets of training."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def rollout_model(
            self: Any, model: nn.Module, batch: Any, formatter: Any, train: bool = True
        ) -> Any:
            ours = (each for each in model.modules() if isinstance(each, WaveLiTModel))
            learner = next((each for each in ours if each.core.normalizer.looking), None)
            if not train or learner is None:
                return original(self, model, batch, formatter, train)
            frames = torch.nan_to_num(batch["output_fields"]).unbind(1)  # as the formatter does
            with learner.shown(*(frame.movedim(-1, 1) for frame in frames)):
                return original(self, model, batch, formatter, train)

        return rollout_model

    yield wrap_method(module.Trainer, "rollout_model", wrap, name="Trainer: training step")


def register_criterion(module: ModuleType) -> Iterator[Registration]:
    """Wrap ``Trainer.train_one_epoch`` so that a term joins whatever loss it has.

    In evaluation the host's loss stays as it is.

    Raises:
        ConfigError: no plugin provides the criterion that WAVELIT_CRITERION names.
    """
    record = asked_criterion()
    terms = Terms(record, "mean")

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def train_one_epoch(self: Any, epoch: int, dataloader: Any) -> Any:
            host = self.loss_fn
            term = EpochTerm(
                terms.of(self), epoch=epoch - 1, epochs=self.max_epoch, batches=len(dataloader)
            )
            self.loss_fn = TrainingCriterion(host, term)
            try:
                return original(self, epoch, dataloader)
            finally:
                self.loss_fn = host

        return train_one_epoch

    yield wrap_method(module.Trainer, "train_one_epoch", wrap, name=record.name)
