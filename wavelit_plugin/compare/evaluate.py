"""Errors of one model on test trajectories: one step ahead, and rolled out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.compare.records import Errors, Step, Trajectories
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.rollout import rollout

_BATCH = 32


@torch.no_grad()
def one_step_error(step: Step, test: Trajectories) -> float:
    """Return the mean VRMSE of predicting every frame from the true one before it."""
    states, targets = test.truth[:, :-1], test.truth[:, 1:]
    constants = test.constants[:, None].expand(-1, states.shape[1], *test.constants.shape[1:])
    inputs = torch.cat([states, constants], dim=2).flatten(0, 1)
    parts = [
        vrmse(step(u), target)
        for u, target in zip(inputs.split(_BATCH), targets.flatten(0, 1).split(_BATCH), strict=True)
    ]
    return float(torch.cat(parts).mean())


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


def evaluate(step: Step, test: Trajectories) -> tuple[Errors, Tensor]:
    """Return the errors and the roll-out that they were measured on."""
    prediction = roll_out(step, test)
    rolled = rollout_errors(prediction, test)
    return Errors(one_step=one_step_error(step, test), rollout=rolled), prediction


def persistence(fields: int) -> Step:
    """Return the predictor that says nothing changes, the error that any model must beat."""
    return lambda u: u[:, :fields]
