"""What is evaluated: a model, and the two baselines that it has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wavelit_plugin.compare.records import Step
from wavelit_plugin.data.readers import GridData

MODEL, PERSISTENCE, MEAN = "model", "persistence", "mean"


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Something that continues a trajectory.

    Attributes:
        name: in tables and files.
        step: maps (batch, frames * field + constant, *space), frames oldest first, to the next
            frame or frames (batch, frame * field, *space), in physical units.
        frames: that it is given.
    """

    name: str
    step: Step
    frames: int


def baselines(data: GridData, *, frames: int, device: str) -> tuple[Predictor, Predictor]:
    """Return what says that nothing changes, and what says the mean of each field.

    The mean is that of the training split, which is known before the test; predicting each
    frame's own mean would have a VRMSE of about 1.
    """
    fields = len(data.fields)
    view = (1, fields, *(1,) * len(data.size))
    axes = (0, *range(2, data.train.y.ndim))
    # summed in float64: float32 loses digits over many samples
    mean = data.train.y.mean(dim=axes, dtype=torch.float64).float().view(view).to(device)
    last = slice((frames - 1) * fields, frames * fields)
    return (
        Predictor(name=PERSISTENCE, step=lambda u: u[:, last], frames=frames),
        Predictor(
            name=MEAN, step=lambda u: mean.expand(len(u), fields, *u.shape[2:]), frames=frames
        ),
    )
