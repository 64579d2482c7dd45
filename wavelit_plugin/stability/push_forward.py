"""The push-forward trick: train on inputs that the model itself predicted.

The error of a model that is rolled out is not noise, it is what this model does wrong. Its own
prediction has exactly that error, so a training step from there to the true frame after it teaches
the model to live with it. No gradient goes through the prediction: the way there is not to be
learned, and the memory is that of a plain step.

Source: Brandstetter, Worrall, Welling, Message Passing Neural PDE Solvers (2022), section 3.1,
doi:10.48550/arXiv.2202.03376.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.rollout import rollout
from wavelit_plugin.shapes import Field


@torch.no_grad()
def push_forward(
    step: Callable[[Field], Field], u: Field, *, fields: int, frames: int = 1, steps: int = 1
) -> Field:
    """Return the input that a roll-out from ``u`` has after ``steps`` predicted frames.

    The target that belongs to it is the true frame ``steps`` later than that of ``u``. Constants
    stay.

    Args:
        step: as for ``rollout``; a module predicts in evaluation mode and is left as it was.
        u: (batch, frame * field + constant, *space), frames oldest first.
        fields: that change in time.
        frames: in the input.
        steps: frames to predict, at least 1.

    Raises:
        ConfigError: ``steps`` below 1.
        ShapeError: less channels than frames and fields, or no whole frames predicted.

    >>> u = torch.tensor([[[1.0, 2.0], [7.0, 7.0]]])  # a field and a constant
    >>> push_forward(lambda u: 10 * u[:, :1], u, fields=1, steps=2).tolist()
    [[[100.0, 200.0], [7.0, 7.0]]]
    """
    history = frames * fields
    if not 0 < history <= u.shape[1]:
        raise ShapeError(
            f"expected {frames} frames of {fields} fields, so at least {max(1, history)} channels, "
            f"got {u.shape[1]}; give the numbers that the input has"
        )
    start, constants = u[:, :history].unflatten(1, (frames, fields)), u[:, history:]
    with in_evaluation(step):
        predicted = rollout(step, start, constants, steps=steps)
    moved = torch.cat([start, predicted.to(start.dtype)], dim=1)[:, -frames:]
    return torch.cat([moved.flatten(1, 2), constants], dim=1)


@contextmanager
def in_evaluation(step: object) -> Iterator[None]:
    """Put a module in evaluation mode for a while; each of its parts returns to the mode it had.

    What is no module is left alone.
    """
    parts = list(step.modules()) if isinstance(step, nn.Module) else []
    modes = [part.training for part in parts]
    try:
        for part in parts:
            part.training = False
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
