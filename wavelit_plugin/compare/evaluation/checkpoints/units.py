"""Models that were trained on normalised data, in physical units again."""

from __future__ import annotations

import torch
from torch import Tensor

from wavelit_plugin.compare.records import Step
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.shapes import Field

_FLOOR = 1e-7  # as neuraloperator's UnitGaussianNormalizer adds to a deviation


def in_physical_units(step: Step, data: GridData, *, frames: int, device: str) -> Step:
    """Return the step of a model whose inputs and outputs have mean 0 and deviation 1.

    As neuraloperator's data processor normalises: each channel by the mean and the unbiased
    deviation of all training inputs and of all training targets, the held back ones among them.
    """
    fields = len(data.fields)
    pairs = (data.train, data.valid)
    x_mean, x_std = _moments(torch.cat([part.x for part in pairs]), device)
    y_mean, y_std = _moments(torch.cat([part.y for part in pairs]), device)

    def every_frame(values: Tensor) -> Tensor:
        return torch.cat([*[values[:, :fields]] * frames, values[:, fields:]], dim=1)

    mean, std = every_frame(x_mean), every_frame(x_std)

    def stepped(u: Field) -> Field:
        answer = step((u - mean) / std)
        return (answer.unflatten(1, (-1, fields)) * y_std[:, None] + y_mean[:, None]).flatten(1, 2)

    return stepped


def _moments(u: Field, device: str) -> tuple[Tensor, Tensor]:
    view = (1, -1, *(1,) * (u.ndim - 2))
    # channel by channel: float64 takes twice the memory
    found = [torch.std_mean(channel.double()) for channel in u.unbind(1)]
    mean = torch.stack([mean for _, mean in found]).float().view(view)
    std = torch.stack([std for std, _ in found]).float().view(view)
    return mean.to(device), (std + _FLOOR).to(device)
