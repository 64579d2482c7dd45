"""Our own files: safetensors with the configuration inside, as ``WaveLiT.save`` writes them."""

from __future__ import annotations

from pathlib import Path

from wavelit_plugin.compare.evaluation.checkpoints.base import Format, Model, ready
from wavelit_plugin.compare.evaluation.checkpoints.channels import check_channels
from wavelit_plugin.compare.evaluation.checkpoints.conditions import on_channels
from wavelit_plugin.compare.evaluation.checkpoints.tensors import is_safetensors
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.model import WaveLiT

_NAME = "wavelit"


def holds(path: Path) -> bool:
    """Whether the file begins as a safetensors file does: a length and a JSON object."""
    return path.is_file() and is_safetensors(path)


def load(request: EvaluationRequest, data: GridData) -> Model:
    """Return the model of the file.

    Raises:
        DataError: the file is damaged, or does not know the fields of the data.
        ConfigError: it was made for other axes, frames, constants or conditions.
    """
    model = WaveLiT.load(request.checkpoint)
    check_channels(model.config, data, request.checkpoint)
    frames = model.config.channels.frames
    return ready(on_channels(model), format=_NAME, frames=frames, device=request.device)


WAVELIT = Format(name=_NAME, summary="a file of WaveLiT.save", holds=holds, load=load)
