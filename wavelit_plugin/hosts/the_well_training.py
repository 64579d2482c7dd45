"""The Well's Trainer: a criterion beside its own loss, for ``wavelit run --criterion``."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.autoload.records import Registration
from wavelit_plugin.hosts.the_well import ChannelsLast, channels_first
from wavelit_plugin.plugins import find_criterion
from wavelit_plugin.plugins.types import CriterionRecord


class TrainingCriterion(nn.Module):
    """The host's loss, and while gradients are taken a term beside it.

    Args:
        host: the host's loss, unreduced or not.
        term: ours, on (batch, channel, *space), reduced to the mean over the batch.
        steps: training steps in all.
    """

    def __init__(self, host: Callable[..., Tensor], term: nn.Module, *, steps: int) -> None:
        super().__init__()
        self.host, self.term = host, term
        self.steps, self.done = max(steps, 1), 0

    def forward(self, prediction: ChannelsLast, reference: ChannelsLast, metadata: Any) -> Tensor:
        """Return the loss; its mean is that of the host's, and the term."""
        value = self.host(prediction, reference, metadata)
        if not torch.is_grad_enabled():
            return value  # what is compared between models stays the host's
        heeds = getattr(self.term, "set_progress", None)
        if callable(heeds):
            heeds(self.done / self.steps)
        self.done += 1
        term: Tensor = self.term(channels_first(prediction), channels_first(reference))
        return value + term


def register_criterion(module: ModuleType) -> Iterator[Registration]:
    """Wrap ``Trainer.__init__`` so that a term joins whatever loss it is given.

    The term is the criterion that WAVELIT_CRITERION names, of this package or of a plugin.

    Raises:
        ConfigError: no plugin provides a criterion of that name.
    """
    record = find_criterion(os.environ.get("WAVELIT_CRITERION", "wavelet"))
    trainer, original = module.Trainer, module.Trainer.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        batches = len(given["datamodule"].train_dataloader())
        criterion = beside(given["loss_fn"], record, steps=batches * given["epochs"])
        given["loss_fn"] = criterion
        original(*bound.args, **bound.kwargs)
        criterion.done = batches * (self.starting_epoch - 1)

    trainer.__init__ = __init__

    def undo() -> None:
        if trainer.__init__ is __init__:
            trainer.__init__ = original

    yield Registration(name=record.name, undo=undo)


def beside(
    host: Callable[..., Tensor], record: CriterionRecord, *, steps: int
) -> TrainingCriterion:
    """Return the criterion beside the host's loss, under that loss's name: the host logs by it."""
    kind = type(type(host).__name__, (TrainingCriterion,), {})
    return kind(host, (record.term or record.build)(reduction="mean"), steps=steps)
