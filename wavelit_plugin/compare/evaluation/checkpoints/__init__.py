"""Formats of checkpoints; a new one is one more file and one more record."""

from __future__ import annotations

from dataclasses import replace

from wavelit_plugin.compare.evaluation.checkpoints.base import Format, Model
from wavelit_plugin.compare.evaluation.checkpoints.built import load_built
from wavelit_plugin.compare.evaluation.checkpoints.neuraloperator import NEURALOPERATOR
from wavelit_plugin.compare.evaluation.checkpoints.pdearena import PDEARENA
from wavelit_plugin.compare.evaluation.checkpoints.the_well import THE_WELL
from wavelit_plugin.compare.evaluation.checkpoints.units import in_physical_units
from wavelit_plugin.compare.evaluation.checkpoints.wavelit import WAVELIT
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import DataError

__all__ = ["FORMATS", "Format", "Model", "load_model"]

FORMATS: tuple[Format, ...] = (WAVELIT, NEURALOPERATOR, PDEARENA, THE_WELL)
"""The formats, in the order in which they are asked."""


def load_model(request: EvaluationRequest, data: GridData) -> Model:
    """Return the model of the request's checkpoint, in physical units.

    Raises:
        DataError: no format recognises the checkpoint, it is damaged, or it does not know the
            fields of the data.
        ConfigError: it was made for other axes, frames or constants.
    """
    found = _loaded(request, data)
    if not request.normalised:
        return found
    step = in_physical_units(found.step, data, frames=found.frames, device=request.device)
    return replace(found, step=step)


def _loaded(request: EvaluationRequest, data: GridData) -> Model:
    if request.build is not None:
        return load_built(request, request.build, data)
    for known in FORMATS:
        if known.holds(request.checkpoint):
            return known.load(request, data)
    summaries = " or ".join(known.summary for known in FORMATS)
    raise DataError(
        f"{request.checkpoint} is no checkpoint that can be read by itself; give {summaries}, or "
        "say by --build how the module is built"
    )
