"""Checkpoints of waveliT by The Well's trainer: ``checkpoints/*.pt`` below its configuration.

``train.py`` writes the configuration; what the data are normalised by is their ``stats.yaml``. The
host is not needed, but omegaconf, which it brings along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.errors import ConfigError, DataError, HostError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.checkpoints import (
    CheckpointRequest,
    Format,
    Model,
    Step,
    check_channels,
    fill,
    is_torch,
    read_state,
    ready,
)
from wavelit_plugin.plugins.datasets import GridData
from wavelit_plugin.shapes import Field

_NAME = "the_well"
_CONFIG, _STATISTICS = "extended_config.yaml", "stats.yaml"
_CORE = "core."
_LEAST = 1e-4  # deviation, as the host's ZScoreNormalization clips it


def holds(path: Path) -> bool:
    """Whether it is a file of torch in a folder below the host's configuration."""
    return is_torch(path) and _described(path) is not None


def load(request: CheckpointRequest) -> Model:
    """Return the model. It takes the constant fields, and not the scalars of a trajectory.

    Raises:
        DataError: a file is damaged or missing, or does not know the fields of the data.
        ConfigError: another model than waveliT, one of changes, or another normalisation than
            ZScoreNormalization.
        HostError: omegaconf is not installed.
    """
    path, data = request.checkpoint, request.data
    facts = _read_yaml(_described(path) or path)
    state = read_state(path)
    core = {k.partition(_CORE)[2]: v for k, v in state.items() if f".{_CORE}" in f".{k}"}
    config = _config(facts, core, data, path)
    check_channels(
        config, replace(data, constants=data.constants[: config.channels.constants]), path
    )
    model = WaveLiT(config)
    fill(model, core, path)
    frames = config.channels.frames
    found = ready(model, format=_NAME, frames=frames, device=request.device)
    step = found.step
    if facts["data"].get("use_normalization"):
        _check_normalisation(facts["data"], path)
        step = _normalised(step, request, config)
    return replace(found, step=lambda u: step(u[:, : config.in_channels]))


FORMAT = Format(
    name=_NAME, summary=f"The Well's .pt of waveliT below {_CONFIG}", holds=holds, load=load
)


def _described(path: Path) -> Path | None:
    places = (parent / _CONFIG for parent in list(path.resolve().parents)[:2])
    return next((place for place in places if place.is_file()), None)


def _read_yaml(path: Path) -> dict[str, Any]:
    """Return model and data of the host's configuration, or the whole of a plain file."""
    try:
        omegaconf, yaml = import_module("omegaconf"), import_module("yaml")
    except ModuleNotFoundError as error:
        raise HostError(
            f"{path.name} is read with omegaconf, which is not installed; install "
            "wavelit-plugin[the-well]"
        ) from error
    try:
        held = omegaconf.OmegaConf.load(path)
        parts = {key: held[key] for key in ("model", "data") if key in held} or {"": held}
        found = {
            key: omegaconf.OmegaConf.to_container(part, resolve=True) for key, part in parts.items()
        }
    except (
        OSError,
        ValueError,
        TypeError,
        yaml.YAMLError,
        omegaconf.errors.OmegaConfBaseException,
    ) as error:
        raise DataError(f"{path} cannot be read ({error}); copy it again") from error
    plain: Any = found.get("", found)
    return dict(plain)


def _config(
    facts: Mapping[str, Any], core: Mapping[str, Tensor], data: GridData, path: Path
) -> WaveLiTConfig:
    knobs, loaded = dict(facts["model"]), facts["data"]
    kind = str(knobs.get("_target_"))
    if not kind.endswith(".WaveLiTModel") or "normalizer.output_mean" not in core:
        raise ConfigError(
            f"{path} holds The Well's {kind.rpartition('.')[2]}, and only waveliT is rebuilt from "
            "its configuration; give --build"
        )
    if str(loaded.get("train_dataset", {}).get("_target_")).endswith("DeltaWellDataset"):
        raise ConfigError(
            f"{path} predicts normalised changes (DeltaWellDataset), which are not put together "
            "here; wrap it in a module that returns the next frame and give that by --build"
        )
    frames, fields = int(loaded["n_steps_input"]), len(core["normalizer.output_mean"])
    channels = len(core["normalizer.input_mean"])
    given = {
        key: value
        for key, value in knobs.items()
        if key in WaveLiTConfig.__dataclass_fields__ and value is not None
    }
    if knobs.get("dataset") is not None:
        given.setdefault("boundary", data.boundary)  # the host's model takes it from the data too
    layout = ChannelLayout(frames=frames, fields=fields, constants=channels - frames * fields)
    sizes = {
        "in_channels": channels,
        "out_channels": fields,
        "ndim": len(core["normalizer.training_grid"]),
    }
    known = {"layout": layout, "residual": "on", **given}
    return WaveLiTConfig.preset(str(knobs.get("preset", "waveliT")), **sizes, **known)


def _check_normalisation(loaded: Mapping[str, Any], path: Path) -> None:
    kind = str((loaded.get("normalization_type") or {}).get("_target_", "ZScoreNormalization"))
    if not kind.endswith("ZScoreNormalization"):
        raise ConfigError(
            f"{path} was trained with {kind.rpartition('.')[2]}, and only ZScoreNormalization is "
            "undone here; wrap the model and give that by --build"
        )


def _normalised(step: Step, request: CheckpointRequest, config: WaveLiTConfig) -> Step:
    """Return the step of a model of normalised data in physical units."""
    data = request.data
    places = (request.folder / _STATISTICS, request.folder / data.name / _STATISTICS)
    place = next((path for path in places if path.is_file()), None)
    if place is None:
        raise DataError(
            f"{request.checkpoint} was trained on normalised data, and there is no {_STATISTICS} "
            f"in {places[1].parent}; copy the file that it was trained with"
        )
    statistics, layout, fields = _read_yaml(place), config.channels, len(data.fields)
    channels = (*data.fields, *data.constants[: layout.constants])
    view = (1, -1, *(1,) * config.ndim)

    def every_frame(key: str) -> Tensor:
        values = channel_values(statistics.get(key, {}), channels, place)
        whole = values[:fields] * layout.frames + values[fields:]
        return torch.tensor(whole).view(view).to(request.device)

    mean, std = every_frame("mean"), every_frame("std")
    std = std.clamp_min(_LEAST)

    def stepped(u: Field) -> Field:
        return step((u - mean) / std) * std[:, :fields] + mean[:, :fields]

    return stepped


def channel_values(known: Mapping[str, Any], channels: Sequence[str], path: Path) -> list[float]:
    """Return a statistic of each channel; the host has lists for vectors and tensors.

    Raises:
        DataError: a channel is missing.

    >>> channel_values({"p": 1.0, "v": [2.0, 3.0]}, ("p", "v_x", "v_y"), Path("stats.yaml"))
    [1.0, 2.0, 3.0]
    """
    used = dict.fromkeys(known, 0)
    values = []
    for channel in channels:
        bases = [name for name in known if channel == name or channel.startswith(f"{name}_")]
        base = max(bases, key=len, default="")
        flat = _flat(known.get(base, ()))
        if used.get(base, 0) >= len(flat):
            raise DataError(f"{path} has no statistics of {channel}; copy the file of these data")
        values.append(flat[used[base]])
        used[base] += 1
    return values


def _flat(value: Any) -> list[float]:
    if isinstance(value, Sequence):
        return [number for part in value for number in _flat(part)]
    return [float(value)]
