"""Autoregressive roll-out: a model's predictions fed back as its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import Field


@torch.no_grad()
def rollout(
    step: Callable[[Field], Field],
    start: Float[Tensor, "batch frame field *space"],
    constants: Field | None = None,
    *,
    steps: int,
) -> Float[Tensor, "batch step field *space"]:
    """Return ``steps`` predicted frames.

    Args:
        step: maps (batch, frame * field + constant, *space), frames oldest first, to the next
            frame or frames (batch, frame_out * field, *space). Put a module in evaluation mode.
        start: the frames to begin with, as many as the model takes.
        constants: fields that are appended to every input, unchanged.
        steps: number of frames to return, at least 1.

    Raises:
        ConfigError: ``steps`` below 1.
        ShapeError: the model returns no whole number of frames.
    """
    if steps < 1:
        raise ConfigError(f"a roll-out needs at least one step, got {steps}")
    frames, fields = start.shape[1:3]
    history = start
    predicted: list[Tensor] = []
    while sum(part.shape[1] for part in predicted) < steps:
        u = history.flatten(1, 2)
        out = step(u if constants is None else torch.cat([u, constants], dim=1))
        if not fields or not out.shape[1] or out.shape[1] % fields:
            raise ShapeError(
                f"the model returned {out.shape[1]} channels, no whole number of frames of the "
                f"{fields} fields it is fed; a roll-out needs output fields that continue the "
                "input's"
            )
        predicted.append(out.unflatten(1, (-1, fields)))
        history = torch.cat([history, predicted[-1]], dim=1)[:, -frames:]
    return torch.cat(predicted, dim=1)[:, :steps]
