"""Any module: a function of the user's builds it, the checkpoint holds its weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from torch import nn

from wavelit_plugin.compare.evaluation.checkpoints.base import Model, ready
from wavelit_plugin.compare.evaluation.checkpoints.tensors import fill, read_state
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.plugins.types import GridTask


def load_built(request: EvaluationRequest, build: str, data: GridData) -> Model:
    """Return the module that ``build`` makes, with the weights of the checkpoint.

    The function gets a GridTask whose ``in_channels`` are ``request.frames`` frames of all fields
    and then the constants, and returns a module on (batch, channel, *space) in physical units.

    Raises:
        ConfigError: there is no such function, or it returns no module.
        DataError: the checkpoint is damaged or does not hold the weights of the module.
    """
    module = _function(build)(task_of(data, request.frames))
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{build} must return an nn.Module, got {type(module).__name__}")
    if not request.checkpoint.is_file():
        raise DataError(f"{request.checkpoint} is a folder; --build needs the file of the weights")
    fill(module, read_state(request.checkpoint), request.checkpoint)
    return ready(module, format="build", frames=request.frames, device=request.device)


def task_of(data: GridData, frames: int) -> GridTask:
    """Return what a module has to do that is given several frames."""
    fields = len(data.fields)
    return GridTask(
        in_channels=frames * fields + len(data.constants),
        out_channels=fields,
        size=data.size,
        boundary=data.boundary,
        continues=True,
        fields=data.fields,
    )


def _function(build: str) -> Callable[[GridTask], object]:
    module, colon, name = build.partition(":")
    if not (module and colon and name):
        raise ConfigError(f"--build must be MODULE:FUNCTION, got {build!r}")
    # as `python -m` does: a script's module is mostly in the folder where the user is
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name not in {module, module.partition(".")[0]}:
            raise  # there, but broken: its own error says more than ours
        raise ConfigError(
            f"there is no module {module!r} for --build; start the command where it is, or put "
            "its folder on PYTHONPATH"
        ) from error
    if not callable(found):
        raise ConfigError(f"the module {module!r} has no function {name!r} for --build")
    return found
