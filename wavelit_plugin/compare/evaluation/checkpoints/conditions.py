"""Models that are conditioned on the numbers of a trajectory, which data carry as channels."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.shapes import Field


class Conditioned(nn.Module):
    """A conditioned WaveLiT on channels whose last ones are the numbers of a trajectory.

    Args:
        core: the model.
        leading: its first conditions, the same for every sample; the others are the numbers.
    """

    def __init__(self, core: WaveLiT, *, leading: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.core, self._leading = core, leading

    def forward(self, u: Field) -> Field:
        """Map (batch, channel + number, *space); channels that the model does not take are left."""
        config = self.core.config
        numbers = u.shape[1] - (config.conditions - len(self._leading))
        same = u.new_tensor(self._leading).expand(len(u), -1)
        # a number is the same at every point
        rows = u[:, numbers:].flatten(2)[..., 0]
        return self.core(u[:, : config.in_channels], torch.cat([same, rows], dim=1))


def on_channels(core: WaveLiT) -> nn.Module:
    """Return a module on the channels of the data: the model, or what gives it its conditions."""
    return Conditioned(core) if core.config.conditions else core


def numbers_taken(config: WaveLiTConfig, *, leading: int = 0) -> int:
    """Return how many numbers of a trajectory a model takes, besides its first conditions."""
    return max(0, config.conditions - leading)


def check_conditions(
    config: WaveLiTConfig, data: GridData, path: Path, *, leading: int = 0
) -> None:
    """Raise ConfigError unless the data hold the numbers that a model is conditioned on.

    Args:
        config: of the model.
        data: their parameters are in the order of the conditions.
        path: of the checkpoint.
        leading: conditions before these that are known otherwise, such as the time step.
    """
    wanted = numbers_taken(config, leading=leading)
    if wanted in {0, len(data.parameters)}:
        return
    known = ", ".join(data.parameters) or "none"
    raise ConfigError(
        f"{path} is conditioned on {wanted} numbers a trajectory, and {data.name} has "
        f"{len(data.parameters)} that differ between its training trajectories ({known}); use data "
        "like those that it was trained on, or wrap it in a module that knows the numbers and give "
        "that by --build"
    )
