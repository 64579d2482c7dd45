"""The trainer's own model, for ``wavelit compare``."""

from __future__ import annotations

from importlib.util import find_spec

from torch import Tensor, nn

from wavelit_plugin.plugins.types import GridTask, OperatorRecord


class ChannelsFirst(nn.Module):
    """Serve (batch, channel, *space) by a model on (batch, *space, channel).

    Args:
        core: the model.
    """

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, u: Tensor) -> Tensor:
        """Move the fields to the end, and those of the result back."""
        result: Tensor = self.core(u.movedim(1, -1)).movedim(-1, 1)
        return result


def build_linear(task: GridTask, _width: int | None) -> nn.Module:
    """Return the trainer's model, which comes in one size."""
    from hello_trainer.registry import MODELS

    return ChannelsFirst(MODELS["linear"](task.in_channels))


def missing() -> str | None:
    """Return why it cannot be built here, without importing the trainer."""
    return None if find_spec("hello_trainer") else "no hello_trainer; install hello-trainer"


def takes(task: GridTask) -> str | None:
    """Return why it cannot do a task: the trainer has two axes, and the fields stay the same."""
    if task.ndim != 2:
        return "2-D only"
    return None if task.in_channels == task.out_channels else "as many outputs as inputs only"


LINEAR = OperatorRecord(
    name="hello_trainer/linear",
    summary="mixes the fields of each point",
    ecosystem="hello_trainer",
    build=build_linear,
    learning_rates=(1e-3, 4e-3, 1.6e-2),
    missing=missing,
    takes=takes,
)
