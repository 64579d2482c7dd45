"""Errors of a trained operator in physical units: one step, roll-outs, and by wave number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.compare import evaluate
from wavelit_plugin.compare.evaluate import predictions
from wavelit_plugin.compare.records import Step, Trajectories
from wavelit_plugin.compare.shells import Shells
from wavelit_plugin.data.readers import GridData, Pairs
from wavelit_plugin.files import finite
from wavelit_plugin.metrics import relative_l2, vrmse
from wavelit_plugin.shapes import Field

ROLLOUTS = 64
"""Test trajectories that are rolled out at most, the first ones."""

SHOWN = 2
"""Trajectories or samples whose predicted fields are kept."""

Normalise = Callable[[Field], Field]


@torch.no_grad()
def validation_error(step: Step, pairs: Pairs, device: str) -> float | None:
    """Return the VRMSE of single steps, mean over samples and channels."""
    found = predictions(step, *pairs, device=device)
    return finite(torch.cat([vrmse(answer, truth) for answer, truth in found]).mean())


@torch.no_grad()
def one_step_errors(
    step: Step, data: GridData, normalise: Normalise, *, device: str
) -> dict[str, Any]:
    """Return the errors of single steps on the test split, None where one is not finite.

    ``one_step`` is the VRMSE, mean over samples and fields, ``fields`` that of each field,
    ``relative_l2`` the mean of ||error|| / ||truth||, and ``spectrum`` the energy of truth,
    prediction and error by ``wavenumber``, the waves across the domain, mean over samples and
    normalised fields.

    Args:
        step: maps physical inputs to physical outputs.
        data: whose test split is predicted.
        normalise: brings outputs to deviations of about 1, for the spectrum.
        device: where ``step`` works.
    """
    shells = Shells(data.size, data.boundary, device=device)
    by_field, by_sample, energies = [], [], []
    for answer, y in predictions(step, *data.test, device=device):
        by_field.append(vrmse(answer, y))
        by_sample.append(relative_l2(answer, y))
        truth, predicted = normalise(y), normalise(answer)
        parts = (truth, predicted, predicted - truth)
        energies.append(torch.stack([shells.energy(part) for part in parts]))
    errors = torch.cat(by_field)
    total = torch.stack(energies).sum(dim=0) / (len(data.test.y) * data.test.y.shape[1])
    spectrum = dict(zip(("truth", "prediction", "error"), total, strict=True))
    means = [finite(mean) for mean in errors.mean(dim=0)]
    return {
        "one_step": finite(errors.mean()),
        "relative_l2": finite(torch.cat(by_sample).mean()),
        "fields": dict(zip(data.fields, means, strict=True)),
        "spectrum": {
            "wavenumber": shells.wavenumbers,
            **{name: tuple(map(finite, energy)) for name, energy in spectrum.items()},
        },
    }


def rolled_trajectories(data: GridData) -> Trajectories | None:
    """Return what is rolled out; None for static data."""
    if data.trajectories is None:
        return None
    fields, constants, _ = data.trajectories
    return Trajectories(fields=data.fields, truth=fields[:ROLLOUTS], constants=constants[:ROLLOUTS])


@torch.no_grad()
def roll_out(
    step: Step, test: Trajectories, device: str, *, wrapped: Callable[[Step], Step] | None = None
) -> tuple[tuple[float | None, ...], Float[Tensor, "trajectory step field *space"]]:
    """Return the mean VRMSE of each step, and the roll-outs of the first trajectories.

    Args:
        step: maps physical inputs to physical outputs.
        test: what is rolled out.
        device: where ``step`` works.
        wrapped: called anew for each batch of trajectories, returns the step to roll out with.
    """
    errors, shown = [], []
    size = evaluate.batch_of(test.truth)
    for start in range(0, len(test.truth), size):
        part = slice(start, start + size)
        held = Trajectories(
            fields=test.fields,
            truth=test.truth[part].to(device),
            constants=test.constants[part].to(device),
        )
        predicted = evaluate.roll_out(step if wrapped is None else wrapped(step), held)
        errors.append(torch.tensor(evaluate.rollout_errors(predicted, held)) * len(held.truth))
        shown.append(predicted[: max(0, SHOWN - start)].cpu())
    mean = torch.stack(errors).sum(dim=0) / len(test.truth)
    return tuple(map(finite, mean)), torch.cat(shown)


@torch.no_grad()
def samples(
    step: Step, data: GridData, rolled: Tensor | None, *, device: str
) -> dict[str, Sequence[str] | Tensor]:
    """Return the fields that a report shows, as ``runs.samples_path`` describes them."""
    fields = list(data.fields)
    if rolled is not None and data.trajectories is not None:
        truth = data.trajectories.fields[: len(rolled)]
        return {
            "fields": fields,
            "truth": truth,
            "prediction": torch.cat([truth[:, :1], rolled], dim=1),
        }
    x, y = (part[:SHOWN] for part in data.test)
    return {
        "fields": fields,
        "inputs": list(data.constants),
        "input": x,
        "truth": y,
        "prediction": step(x.to(device)).cpu(),
    }
