"""Puts all models and criteria that wavelit knows into hello_trainer's two registries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

from torch import Tensor, nn

from wavelit_plugin.autoload.records import Refusal, Registration, add_key
from wavelit_plugin.plugins import criteria, models
from wavelit_plugin.plugins.types import CriterionRecord, ModelRecord


class ChannelsLast(nn.Module):
    """Serve (batch, x, y, field) by a model or criterion on (batch, channel, *space).

    Args:
        core: what takes and gives channels first; a criterion's loss has no axes to move.
    """

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, *fields: Tensor) -> Tensor:
        """Hand all tensors over with their fields on axis 1, and the result back likewise."""
        result: Tensor = self.core(*(u.movedim(-1, 1) for u in fields))
        return result.movedim(1, -1) if result.ndim else result


def register(module: ModuleType) -> Iterator[Registration | Refusal]:
    """Register with ``hello_trainer.registry``; called when its import has ended."""
    for model in models():
        yield add_key(module.MODELS, model.name, partial(build_model, model))
    for criterion in criteria():
        yield add_key(module.CRITERIA, criterion.name, partial(build_criterion, criterion))


def build_model(record: ModelRecord, fields: int) -> nn.Module:
    """Return a model as the trainer asks for it: it has two axes, and the fields stay the same."""
    return ChannelsLast(record.build(in_channels=fields, out_channels=fields, ndim=2))


def build_criterion(record: CriterionRecord) -> nn.Module:
    """Return a criterion that replaces the trainer's own, reduced to the mean as that is."""
    return ChannelsLast(record.build(reduction="mean"))
