"""Autoregressive roll-out: a model's predictions fed back as its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import Field, check_field, check_int, check_tensor


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
        ConfigError: ``steps`` below 1, or a step that cannot be called.
        ShapeError: start, constants and what the model returns are no floating tensors of one
            batch, space and device, or the model returns no whole number of frames.
    """
    check_int("steps", steps, 1)
    if not callable(step):
        raise ConfigError(f"step must be a model or a function, got {type(step).__name__}")
    frames, fields = _check_start(start, constants)
    history = start
    predicted: list[Tensor] = []
    while sum(part.shape[1] for part in predicted) < steps:
        u = history.flatten(1, 2)
        out = step(u if constants is None else torch.cat([u, constants], dim=1))
        _check_beside(out, u, "output of the model")
        if not fields or not out.shape[1] or out.shape[1] % fields:
            raise ShapeError(
                f"the model returned {out.shape[1]} channels, no whole number of frames of the "
                f"{fields} fields it is fed; a roll-out needs output fields that continue the "
                "input's"
            )
        predicted.append(out.unflatten(1, (-1, fields)))
        history = torch.cat([history, predicted[-1]], dim=1)[:, -frames:]
    return torch.cat(predicted, dim=1)[:, :steps]


def _check_start(start: Tensor, constants: Tensor | None) -> tuple[int, int]:
    check_tensor(start, name="start")
    if not 4 <= start.ndim <= 6 or not start.shape[1]:
        raise ShapeError(
            "start must be (batch, frame, field, *space) with at least one frame and 1-3 space "
            f"axes, got shape {tuple(start.shape)}; add the missing axes"
        )
    u = start.flatten(1, 2)
    check_field(u, name="start, frames and fields as channels,")
    if constants is not None:
        _check_beside(constants, u, "constants")
    return start.shape[1], start.shape[2]


def _check_beside(u: Tensor, other: Tensor, name: str) -> None:
    """Raise ShapeError unless ``u`` can stand beside a field, as further channels of it."""
    check_field(u, name=name)
    expected = (other.shape[0], u.shape[1], *other.shape[2:])
    if tuple(u.shape) != expected or u.device != other.device:
        raise ShapeError(
            f"{name} must have the batch, space and device of the frames, so shape {expected} on "
            f"{other.device}, got {tuple(u.shape)} on {u.device}"
        )
