"""A criterion's term beside a host's own loss, and how far the training is."""

from __future__ import annotations

import os
from typing import Any, Literal
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from wavelit_plugin.plugins import find_criterion
from wavelit_plugin.plugins.types import CriterionRecord
from wavelit_plugin.shapes import Field

Reduction = Literal["mean", "sum"]


def asked_criterion() -> CriterionRecord:
    """Return the criterion that WAVELIT_CRITERION names, of this package or of a plugin.

    Raises:
        ConfigError: no plugin provides a criterion of that name.
    """
    return find_criterion(os.environ.get("WAVELIT_CRITERION", "wavelet"))


def build_term(record: CriterionRecord, reduction: Reduction) -> nn.Module:
    """Return what is added to a host's loss: the record's ``term``, or else what stands alone."""
    return (record.term or record.build)(reduction=reduction)


def tell_progress(term: nn.Module, progress: float) -> None:
    """Hand the part of the training that is done, 0 to 1, to a criterion that heeds it."""
    heeds = getattr(term, "set_progress", None)
    if callable(heeds):
        heeds(progress)


class Terms:
    """One term for each trainer, which keeps it from epoch to epoch.

    Args:
        record: the criterion.
        reduction: over the batch, as the host has it.
    """

    def __init__(self, record: CriterionRecord, reduction: Reduction) -> None:
        self.record, self.reduction = record, reduction
        self._held: WeakKeyDictionary[object, nn.Module] = WeakKeyDictionary()

    def of(self, trainer: Any) -> nn.Module:
        """Return the term of a trainer, on its device."""
        if trainer not in self._held:
            self._held[trainer] = build_term(self.record, self.reduction).to(trainer.device)
        return self._held[trainer]


class EpochTerm:
    """A term in one epoch of a training, called once a batch: its weight follows the training.

    The host counts epochs, and goes on with its count when a training is resumed.

    Args:
        term: on (batch, channel, *space).
        epoch: epochs done before this one.
        epochs: in the whole training.
        batches: in an epoch.
    """

    def __init__(self, term: nn.Module, *, epoch: int, epochs: int, batches: int) -> None:
        self.term, self.epoch = term, epoch
        self.epochs, self.batches, self.done = max(epochs, 1), max(batches, 1), 0

    def __call__(self, prediction: Field, target: Field) -> Tensor:
        """Return the term of the next batch."""
        tell_progress(self.term, (self.epoch + self.done / self.batches) / self.epochs)
        self.done += 1
        return self.term(prediction, target)
