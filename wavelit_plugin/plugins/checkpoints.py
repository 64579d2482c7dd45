"""Checkpoints of trained models: what a format is, and what reading one needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import disk_errors, load_tensors
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.datasets import GridData
from wavelit_plugin.shapes import Field

# where trainers keep the weights of the model among other things
_PLACES = ("model_state_dict", "state_dict", "model")
# names that say nothing: PDEArena does not name fields, so its models number them
_NUMBERED = re.compile(r"(scalar\d+|vector\d+_[xyz])")
_NAME = "wavelit"

Step = Callable[[Field], Field]
"""Maps physical (batch, channel, *space) to the next frame or frames."""


@dataclass(frozen=True, kw_only=True)
class CheckpointRequest:
    """A checkpoint, and the data that its model has to go with.

    Attributes:
        checkpoint: a file or folder of the format.
        data: what the model is to continue.
        folder: where the data are.
        device: where the model works.
    """

    checkpoint: Path
    data: GridData
    folder: Path
    device: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained model that continues the trajectories of a data set.

    Attributes:
        format: name of the format that it was read from.
        step: maps physical (batch, frames * field + constant, *space) to the next frame or frames.
        frames: that it is given.
        parameters: their number.
    """

    format: str
    step: Step
    frames: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Format:
    """How the checkpoints of one kind are read.

    Attributes:
        name: of the format.
        summary: what its files are, for a message.
        holds: called with a path; whether it is of this format.
        load: called with the request.
    """

    name: str
    summary: str
    holds: Callable[[Path], bool]
    load: Callable[[CheckpointRequest], Model]


def ready(module: nn.Module, *, format: str, frames: int, device: str) -> Model:  # noqa: A002
    """Return a module as a model: evaluated, on the device, called in its own precision."""
    module = module.eval().to(device)
    own = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Model(
        format=format,
        step=lambda u: module(u.to(own)).to(u.dtype),
        frames=frames,
        parameters=count,
    )


def check_channels(config: WaveLiTConfig, data: GridData, path: Path, *, leading: int = 0) -> None:
    """Raise an error unless the model continues the fields of the data.

    Args:
        config: of the model.
        data: whose constants the model takes, but for the numbers that it is conditioned on.
        path: of the checkpoint.
        leading: conditions before these numbers, see ``check_conditions``.

    Raises:
        DataError: the checkpoint does not know the fields, or knows them in another order.
        ConfigError: other axes, frames, constants or conditions, or a model of another quantity.
    """
    layout = config.channels
    if config.ndim != len(data.size):
        raise ConfigError(
            f"{path} is a model for {config.ndim} space axes, and {data.name} has "
            f"{len(data.size)}; use data like those that it was trained on"
        )
    if not layout.fields:
        raise ConfigError(
            f"{path} predicts another quantity than its inputs, so it has nothing to roll out; "
            "only models that continue their input fields are evaluated"
        )
    _check_fields(layout.fields, layout.names, data, path)
    check_conditions(config, data, path, leading=leading)
    taken = numbers_taken(config, leading=leading)
    constants = data.constants[: len(data.constants) - taken]
    if layout.constants != len(constants):
        raise ConfigError(
            f"{path} takes {_frames(layout.frames, layout.fields)} and {layout.constants} "
            f"constants, {config.in_channels} channels, and {data.name} has "
            f"{len(constants)} constants ({', '.join(constants) or 'none'}); use data "
            "like those that it was trained on, or a checkpoint whose layout says how many frames "
            "(n_steps_input) it takes"
        )


def _check_fields(count: int, names: tuple[str, ...], data: GridData, path: Path) -> None:
    named = names and not all(_NUMBERED.fullmatch(name) for name in names)
    if (named and names != data.fields) or count != len(data.fields):
        unknown = [name for name in data.fields if named and name not in names]
        known = ", ".join(names) if named else f"{count} fields without names"
        told = f"; it does not know {', '.join(unknown)}" if unknown else ""
        raise DataError(
            f"{path} was trained on {known}, and {data.name} has {', '.join(data.fields)}{told}; "
            "use data with the same fields in the same order"
        )


def _frames(frames: int, fields: int) -> str:
    return f"{frames} {'frame' if frames == 1 else 'frames'} of {fields} fields"


class Conditioned(nn.Module):
    """A conditioned WaveLiT on channels whose last ones are the numbers of a trajectory.

    Args:
        core: the model.
        leading: its first conditions, the same for every sample; the others are the numbers.
    """

    def __init__(self, core: WaveLiT, *, leading: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.core, self._leading = core, leading

    def forward(self, u: Field) -> Field:
        """Map (batch, channel + number, *space); channels that the model does not take are left."""
        config = self.core.config
        numbers = u.shape[1] - (config.conditions - len(self._leading))
        same = u.new_tensor(self._leading).expand(len(u), -1)
        # a number is the same at every point
        rows = u[:, numbers:].flatten(2)[..., 0]
        return self.core(u[:, : config.in_channels], torch.cat([same, rows], dim=1))


def on_channels(core: WaveLiT) -> nn.Module:
    """Return a module on the channels of the data: the model, or what gives it its conditions."""
    return Conditioned(core) if core.config.conditions else core


def numbers_taken(config: WaveLiTConfig, *, leading: int = 0) -> int:
    """Return how many numbers of a trajectory a model takes, besides its first conditions."""
    return max(0, config.conditions - leading)


def check_conditions(
    config: WaveLiTConfig, data: GridData, path: Path, *, leading: int = 0
) -> None:
    """Raise ConfigError unless the data hold the numbers that a model is conditioned on.

    Args:
        config: of the model.
        data: their parameters are in the order of the conditions.
        path: of the checkpoint.
        leading: conditions before these that are known otherwise, such as the time step.
    """
    wanted = numbers_taken(config, leading=leading)
    if wanted in {0, len(data.parameters)}:
        return
    known = ", ".join(data.parameters) or "none"
    raise ConfigError(
        f"{path} is conditioned on {wanted} numbers a trajectory, and {data.name} has "
        f"{len(data.parameters)} that differ between its training trajectories ({known}); use data "
        "like those that it was trained on, or wrap it in a module that knows the numbers and give "
        "that by --build"
    )


def read_torch(path: Path) -> dict[str, Any]:
    """Return the dictionary in a file of torch, on the CPU; nothing in it is run.

    Raises:
        DataError: it is damaged, holds objects that only running code could make, or no dictionary.
    """
    return load_tensors(path, advice="save the model's state_dict alone")


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a safetensors file, or in a state_dict or checkpoint of torch.

    Raises:
        DataError: the file is damaged or holds none.
    """
    if is_safetensors(path):
        try:
            with disk_errors(path):
                return load(path.read_bytes())
        except SafetensorError as error:
            raise DataError(f"{path} is damaged ({error}); copy it again") from error
    held = read_torch(path)
    for place in _PLACES:
        if isinstance(held.get(place), Mapping):
            held = held[place]
            break
    found = {name: value for name, value in held.items() if isinstance(value, Tensor)}
    if not found:
        raise DataError(f"{path} holds no weights; save the model's state_dict")
    return found


def is_safetensors(path: Path) -> bool:
    """Whether a file begins with a length and a JSON object, as safetensors files do."""
    with disk_errors(path), path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def is_torch(path: Path) -> bool:
    """Whether a file begins as a zip archive does, which torch writes."""
    if not path.is_file():
        return False
    with disk_errors(path), path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a module; a prefix that all names share and the module lacks is dropped.

    Raises:
        DataError: names or shapes are not those of the module.
    """
    own = module.state_dict()
    found = without_prefix(state, own)
    wrong = sorted(found.keys() ^ own.keys())
    wrong += sorted(name for name in found.keys() & own.keys() if _apart(found[name], own[name]))
    if wrong:
        raise DataError(
            f"{path} does not hold the weights of the module: {', '.join(wrong[:3])} "
            f"({len(wrong)} in all) are missing, unknown or of another shape; build the module as "
            "it was built for training, with the same fields"
        )
    module.load_state_dict(found)


def without_prefix(state: Mapping[str, Tensor], own: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the weights under the module's names where only a prefix tells them apart.

    >>> list(without_prefix({"model.a": torch.ones(1), "loss.b": torch.ones(1)}, {"a": 0}))
    ['a']
    """
    if not own or own.keys() <= state.keys():
        return dict(state)
    first = next(iter(own))
    prefixes = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    prefix = next((p for p in prefixes if all(p + name in state for name in own)), "")
    part = {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
    return part if prefix else dict(state)


def _apart(one: Tensor, other: object) -> bool:
    return not isinstance(other, Tensor) or one.shape != other.shape


def _holds(path: Path) -> bool:
    """Whether the file begins as a safetensors file does: a length and a JSON object."""
    return path.is_file() and is_safetensors(path)


def _load(request: CheckpointRequest) -> Model:
    """Return the model of the file.

    Raises:
        DataError: the file is damaged, or does not know the fields of the data.
        ConfigError: it was made for other axes, frames, constants or conditions.
    """
    model = WaveLiT.load(request.checkpoint)
    check_channels(model.config, request.data, request.checkpoint)
    frames = model.config.channels.frames
    return ready(on_channels(model), format=_NAME, frames=frames, device=request.device)


WAVELIT = Format(name=_NAME, summary="a file of WaveLiT.save", holds=_holds, load=_load)
