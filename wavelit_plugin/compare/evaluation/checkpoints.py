"""The model of a checkpoint, in physical units: of a format that a plugin reads, or --build."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.plugins import checkpoint_formats
from wavelit_plugin.plugins.checkpoints import (
    CheckpointRequest,
    Model,
    Step,
    fill,
    read_state,
    ready,
)
from wavelit_plugin.plugins.types import GridTask
from wavelit_plugin.shapes import Field

__all__ = ["Model", "load_model"]

_FLOOR = 1e-7  # as neuraloperator's UnitGaussianNormalizer adds to a deviation


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
    for known in checkpoint_formats():
        if known.holds(request.checkpoint):
            asked = CheckpointRequest(
                checkpoint=request.checkpoint,
                data=data,
                folder=request.data,
                device=request.device,
            )
            return known.load(asked)
    summaries = " or ".join(known.summary for known in checkpoint_formats())
    raise DataError(
        f"{request.checkpoint} is no checkpoint that can be read by itself; give {summaries}, or "
        "say by --build how the module is built"
    )


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


def in_physical_units(step: Step, data: GridData, *, frames: int, device: str) -> Step:
    """Return the step of a model whose inputs and outputs have mean 0 and deviation 1.

    As neuraloperator's data processor normalises: each channel by the mean and the unbiased
    deviation of all training inputs and of all training targets, the held back ones among them.
    """
    fields = len(data.fields)
    pairs = (data.train, data.valid)
    x_mean, x_std = _moments(torch.cat([part.x for part in pairs]), device)
    y_mean, y_std = _moments(torch.cat([part.y for part in pairs]), device)

    def every_frame(values: Tensor) -> Tensor:
        return torch.cat([*[values[:, :fields]] * frames, values[:, fields:]], dim=1)

    mean, std = every_frame(x_mean), every_frame(x_std)

    def stepped(u: Field) -> Field:
        answer = step((u - mean) / std)
        return (answer.unflatten(1, (-1, fields)) * y_std[:, None] + y_mean[:, None]).flatten(1, 2)

    return stepped


def _moments(u: Field, device: str) -> tuple[Tensor, Tensor]:
    view = (1, -1, *(1,) * (u.ndim - 2))
    # channel by channel: float64 takes twice the memory
    found = [torch.std_mean(channel.double()) for channel in u.unbind(1)]
    mean = torch.stack([mean for _, mean in found]).float().view(view)
    std = torch.stack([std for std, _ in found]).float().view(view)
    return mean.to(device), (std + _FLOOR).to(device)
