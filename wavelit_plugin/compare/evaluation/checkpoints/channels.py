"""Whether the channels of a WaveLiT and of a data set mean the same."""

from __future__ import annotations

import re
from pathlib import Path

from wavelit_plugin.compare.evaluation.checkpoints.conditions import (
    check_conditions,
    numbers_taken,
)
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import WaveLiTConfig

# names that say nothing: PDEArena does not name fields, so its models number them
_NUMBERED = re.compile(r"(scalar\d+|vector\d+_[xyz])")


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
