"""Per-field numbers of a data set, accumulated chunk by chunk in float64."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.plugins.datasets import Trajectories


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """One number per field, over all trajectories, frames and points.

    Args:
        mean: mean.
        std: standard deviation (divided by the count).
        frame_change: std(frame t+1 - frame t) / std(frame); 0 where a field never varies.
    """

    mean: list[float]
    std: list[float]
    frame_change: list[float]


def measure(chunks: Iterable[Trajectories]) -> Statistics:
    """Return the statistics of the fields of at least one chunk."""
    frames, changes = [], []
    for chunk in chunks:
        fields = chunk.fields.double()
        frames.append(_moments(fields))
        changes.append(_moments(fields.diff(dim=1)))
    mean, std = _mean_and_std(frames)
    _, change = _mean_and_std(changes)
    ratio = torch.where(std > 0, change / std, 0.0)
    return Statistics(mean=mean.tolist(), std=std.tolist(), frame_change=ratio.tolist())


def _moments(fields: Float[Tensor, "batch frame field *space"]) -> Float[Tensor, "3 field"]:
    """Return count, sum and sum of squares per field."""
    flat = fields.transpose(0, 2).flatten(1)
    count = torch.full((len(flat),), float(flat.shape[1]), dtype=torch.float64)
    return torch.stack([count, flat.sum(dim=1), flat.square().sum(dim=1)])


def _mean_and_std(parts: list[Tensor]) -> tuple[Tensor, Tensor]:
    count, total, squares = torch.stack(parts).sum(dim=0)
    count = count.clamp_min(1.0)  # a single frame has no changes
    mean = total / count
    return mean, (squares / count - mean.square()).clamp_min(0.0).sqrt()
