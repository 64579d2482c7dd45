"""What the demonstration compares, under which budget, and what predictors are tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.data.simulation import check_seed
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.datasets import check_at_least
from wavelit_plugin.shapes import Field

Step = Callable[[Field], Field]
"""Maps (batch, field + constant, *space) to the next frame (batch, field, *space)."""

Watch = Callable[[int, int, str, str], None]
"""Progress: ``watch(done, total, what, note)``."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A neural operator as the host's config names it, at its own best learning rate.

    Attributes:
        name: shown in table and figure.
        arch: the host's name for the model.
        options: the host's options for it.
        learning_rate: the best of those that were searched.
    """

    name: str
    arch: str
    learning_rate: float
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ConfigError(
                f"the learning rate of {self.name} must be above 0, got {self.learning_rate}"
            )


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What every operator may spend: the same number of optimizer steps on the same batches.

    Attributes:
        steps: optimizer steps, a multiple of ``epoch_steps``.
        epoch_steps: steps an epoch; the learning rate changes from epoch to epoch.
        batch_size: samples a step.
        seed: of the weights and of the order of the batches.

    Raises:
        ConfigError: a number below 1, or steps that are no multiple of ``epoch_steps``.
    """

    steps: int = 400
    epoch_steps: int = 20
    batch_size: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "epoch_steps", "batch_size"):
            check_at_least(name, getattr(self, name), 1)
        check_seed(self.seed)
        if self.steps % self.epoch_steps:
            near = max(round(self.steps / self.epoch_steps), 1) * self.epoch_steps
            raise ConfigError(
                f"steps must be a multiple of {self.epoch_steps}, the steps of an epoch, got "
                f"{self.steps}; use {near}"
            )

    @property
    def epochs(self) -> int:
        """Epochs of ``epoch_steps`` steps."""
        return self.steps // self.epoch_steps


@dataclass(frozen=True, kw_only=True)
class Trajectories:
    """Test trajectories in physical units, the initial frame included.

    Attributes:
        fields: names of the fields that evolve.
        truth: their values.
        constants: fields that do not change, appended to every input.
    """

    fields: tuple[str, ...]
    truth: Float[Tensor, "trajectory frame field *space"]
    constants: Float[Tensor, "trajectory constant *space"]
