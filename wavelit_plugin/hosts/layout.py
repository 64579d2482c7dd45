"""Re-layouts between the hosts' batches and the house's (batch, channel, *space); no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.shapes import Field

Frames = Float[Tensor, "batch _frame _field *_space"]
"""A batch of several frames of the same fields, oldest first."""


def check_free(knobs: Mapping[str, object], *settled: str) -> None:
    """Raise ConfigError for a knob that follows from what the host says."""
    for name in settled:
        if name in knobs:
            raise ConfigError(
                f"{name} follows from the host's own options, got {knobs[name]!r}; leave it out"
            )


def frames_to_channels(u: Frames) -> Field:
    """Fold (batch, frame, field, *space) to (batch, frame * field, *space), frame by frame."""
    return u.flatten(1, 2)


def channels_to_frames(u: Field, frames: int) -> Frames:
    """Unfold what ``frames_to_channels`` folded; also fields of zero channels.

    >>> import torch
    >>> channels_to_frames(torch.zeros(5, 6, 8), 2).shape
    torch.Size([5, 2, 3, 8])
    """
    return u.unflatten(1, (frames, u.shape[1] // frames))
