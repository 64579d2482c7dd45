"""The errors of one predictor on one trajectory, and how they are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.compare.evaluate import batch_of
from wavelit_plugin.compare.evaluation.bands import Bands
from wavelit_plugin.compare.evaluation.predictors import Predictor
from wavelit_plugin.compare.shells import Shells
from wavelit_plugin.errors import DataError, ShapeError
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.rollout import rollout
from wavelit_plugin.shapes import Field

Frames = Float[Tensor, "_frame _field *_space"]
Constants = Float[Tensor, "_constant *_space"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Errors on one trajectory, float32; NaN stands for what is not finite.

    Attributes:
        one_step: VRMSE of each field, mean over all frames that have a history.
        rollout: VRMSE (step, field) of the roll-out from the first frames.
        one_step_bands: relative error (field, band) of the energy, mean over the frames.
        rollout_bands: the same (step, field, band) of the roll-out.
        spectrum: energy (kind, shell) of truth, prediction and error at the roll-out's last step,
            mean over normalised fields.
    """

    one_step: Float[Tensor, " field"]
    rollout: Float[Tensor, "step field"]
    one_step_bands: Float[Tensor, "field band"]
    rollout_bands: Float[Tensor, "step field band"]
    spectrum: Float[Tensor, "kind shell"]

    def as_plain(self) -> dict[str, Any]:
        """Return nested lists, None for what is not finite."""
        return {part.name: _plain(getattr(self, part.name).tolist()) for part in fields(self)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Scores:
        """Return what ``as_plain`` returned the lists of.

        Raises:
            DataError: something else.
        """
        try:
            return cls(**{name: torch.tensor(_full(value)) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the kept results are damaged ({error}); start again with --overwrite"
            ) from error


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """What predictors are measured with, the same for all trajectories.

    Attributes:
        bands: of wave numbers.
        shells: of wave numbers, for spectra.
        deviation: of each field, (1, field, 1, ...), for spectra.
        steps: of the roll-out.
    """

    bands: Bands
    shells: Shells
    deviation: Tensor
    steps: int


@torch.no_grad()
def measure(
    predictor: Predictor,
    truth: Frames,
    constants: Constants,
    ruler: Ruler,
) -> tuple[Scores, Frames]:
    """Return the errors on a trajectory, and the roll-out that they were measured on.

    Raises:
        ShapeError: the predictor returns other fields or another grid than it is given.
    """
    errors, bands = [], []
    for answer, wanted in _single_steps(predictor, truth, constants):
        errors.append(vrmse(answer, wanted))
        bands.append(ruler.bands.relative_error(answer, wanted))
    start = truth[None, : predictor.frames]
    rolled = rollout(predictor.step, start, constants[None], steps=ruler.steps)[0]
    after = truth[predictor.frames : predictor.frames + ruler.steps]
    scores = Scores(
        one_step=torch.cat(errors).mean(dim=0).cpu(),
        rollout=vrmse(rolled, after).cpu(),
        one_step_bands=torch.cat(bands).mean(dim=0).cpu(),
        rollout_bands=ruler.bands.relative_error(rolled, after).cpu(),
        spectrum=_spectrum(rolled[-1:], after[-1:], ruler).cpu(),
    )
    return scores, rolled


def _single_steps(
    predictor: Predictor, truth: Frames, constants: Constants
) -> Iterator[tuple[Field, Field]]:
    """Yield predictions from true frames and what they should be, batch by batch."""
    frames, fields = predictor.frames, truth.shape[1]
    history = truth[:frames].flatten(0, 1)
    size = batch_of(torch.cat([history, constants])[None])
    for first in range(frames, len(truth), size):
        wanted = truth[first : first + size]
        places = range(first, first + len(wanted))
        inputs = [torch.cat([*truth[place - frames : place], constants]) for place in places]
        answer = predictor.step(torch.stack(inputs))
        if answer.shape[1] % fields or answer.shape[1] == 0:
            raise ShapeError(
                f"the model returned {answer.shape[1]} channels, no whole number of frames of the "
                f"data's {fields} fields; use data like those that it was trained on"
            )
        yield answer[:, :fields], wanted


def _spectrum(predicted: Frames, truth: Frames, ruler: Ruler) -> Float[Tensor, "kind shell"]:
    kinds = (truth, predicted, predicted - truth)
    energies = [ruler.shells.energy(u / ruler.deviation) / truth.shape[1] for u in kinds]
    return torch.stack(energies).float()


def _plain(values: Any) -> Any:
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return values if math.isfinite(values) else None


def _full(values: Any) -> Any:
    if isinstance(values, list):
        return [_full(value) for value in values]
    return math.nan if values is None else float(values)
