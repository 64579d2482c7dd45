"""Errors of one model on test trajectories: one step ahead, and rolled out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.compare.records import Step, Trajectories
from wavelit_plugin.files import finite
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.rollout import rollout
from wavelit_plugin.shapes import Field

_BATCH = 32  # samples predicted at once
_NUMBERS = 2**23  # and numbers in their inputs, which large 3-D fields would exceed


@torch.no_grad()
def predictions(
    step: Step, x: Field, y: Field, *, device: torch.device | str
) -> Iterator[tuple[Field, Field]]:
    """Yield prediction and truth batch by batch, on the device."""
    size = batch_of(x)
    for inputs, truth in zip(x.split(size), y.split(size), strict=True):
        yield step(inputs.to(device)), truth.to(device)


def batch_of(u: Tensor) -> int:
    """Return how many samples, of axis 0, are predicted at once.

    >>> sizes = ((100, 5, 64, 64), (9, 6, 128, 128, 128))
    >>> [batch_of(torch.empty(size, device="meta")) for size in sizes]
    [32, 1]
    """
    return max(1, min(_BATCH, _NUMBERS // max(1, u[0].numel())))


@torch.no_grad()
def one_step_error(step: Step, test: Trajectories) -> float:
    """Return the mean VRMSE of predicting every frame from the true one before it."""
    states, targets = test.truth[:, :-1], test.truth[:, 1:]
    constants = test.constants[:, None].expand(-1, states.shape[1], *test.constants.shape[1:])
    inputs = torch.cat([states, constants], dim=2).flatten(0, 1)
    pairs = predictions(step, inputs, targets.flatten(0, 1), device=inputs.device)
    return float(torch.cat([vrmse(prediction, truth) for prediction, truth in pairs]).mean())


def roll_out(step: Step, test: Trajectories) -> Float[Tensor, "trajectory step field *space"]:
    """Return the roll-out from the first frame over the length of the test trajectories."""
    return rollout(step, test.truth[:, :1], test.constants, steps=test.truth.shape[1] - 1)


def rollout_errors(
    prediction: Float[Tensor, "trajectory step field *space"], test: Trajectories
) -> tuple[float, ...]:
    """Return the mean VRMSE of each roll-out step."""
    steps = prediction.shape[1]
    errors = vrmse(prediction.flatten(0, 1), test.truth[:, 1 : steps + 1].flatten(0, 1))
    return tuple(errors.unflatten(0, (-1, steps)).mean(dim=(0, 2)).tolist())


def evaluate(step: Step, test: Trajectories) -> tuple[dict[str, Any], Tensor]:
    """Return the errors and the roll-out that they were measured on; None is not finite."""
    prediction = roll_out(step, test)
    rolled = tuple(map(finite, rollout_errors(prediction, test)))
    return {"one_step": finite(one_step_error(step, test)), "rollout": rolled}, prediction


def persistence(fields: int) -> Step:
    """Return the predictor that says nothing changes, the error that any model must beat."""
    return lambda u: u[:, :fields]
