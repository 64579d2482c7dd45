"""What a format of checkpoints is, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.compare.records import Step
from wavelit_plugin.data.readers import GridData


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model that continues the trajectories of a data set.

    Attributes:
        format: name of the format that it was read from.
        step: maps physical (batch, frames * field + constant, *space) to the next frame or frames.
        frames: that it is given.
        parameters: their number.
    """

    format: str
    step: Step
    frames: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the checkpoints of one kind are read.

    Attributes:
        name: of the format.
        summary: what its files are, for a message.
        holds: called with a path; whether it is of this format.
        load: called with the request and the data that it has to go with.
    """

    name: str
    summary: str
    holds: Callable[[Path], bool]
    load: Callable[[EvaluationRequest, GridData], Model]


def ready(module: nn.Module, *, format: str, frames: int, device: str) -> Model:  # noqa: A002
    """Return a module as a model: evaluated, on the device, called in its own precision."""
    module = module.eval().to(device)
    own = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Model(
        format=format,
        step=lambda u: module(u.to(own)).to(u.dtype),
        frames=frames,
        parameters=count,
    )
