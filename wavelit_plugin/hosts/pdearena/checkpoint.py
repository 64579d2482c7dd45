"""PDEArena's checkpoints of waveliT, as Lightning writes them; the host is not needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.hosts.pdearena.model import MAXWELL
from wavelit_plugin.model import PRESETS, ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.checkpoints import (
    CheckpointRequest,
    Conditioned,
    Format,
    Model,
    check_channels,
    fill,
    is_torch,
    read_torch,
    ready,
)

_NAME = "pdearena"
_PERIODIC = "-periodic"
_CORE = "model.core."
_TIME_STEP = (1.0,)  # in frames, as the host's own roll-out has it


def holds(path: Path) -> bool:
    """Whether it is a file of torch that Lightning wrote."""
    return path.suffix == ".ckpt" and is_torch(path)


def load(request: CheckpointRequest) -> Model:
    """Return the model. It takes no constants: the host hands over the fields alone.

    A conditioned one is given the time step, 1 frame, and the numbers of the trajectory.

    Raises:
        DataError: the file is damaged, or does not know the fields of the data.
        ConfigError: another operator than waveliT, or other axes or conditions.
    """
    held = read_torch(request.checkpoint)
    facts, state = held.get("hyper_parameters"), held.get("state_dict")
    if not isinstance(facts, dict) or not isinstance(state, dict):
        raise DataError(
            f"{request.checkpoint} lacks hyper_parameters or state_dict, so it is no checkpoint of "
            "PDEArena; give --build"
        )
    core = {k.removeprefix(_CORE): v for k, v in state.items() if k.startswith(_CORE)}
    config = _config(facts, core, request.checkpoint)
    numbers = request.data.parameters if config.conditions > len(_TIME_STEP) else ()
    known = replace(request.data, constants=numbers)
    check_channels(config, known, request.checkpoint, leading=len(_TIME_STEP))
    model = WaveLiT(config)
    fill(model, core, request.checkpoint)
    frames = config.channels.frames
    if config.conditions:
        module = Conditioned(model, leading=_TIME_STEP)
        return ready(module, format=_NAME, frames=frames, device=request.device)
    found = ready(model, format=_NAME, frames=frames, device=request.device)
    step = found.step
    return replace(found, step=lambda u: step(u[:, : config.in_channels]))


FORMAT = Format(name=_NAME, summary="PDEArena's .ckpt of waveliT", holds=holds, load=load)


def _config(facts: dict[str, Any], core: dict[str, Any], path: Path) -> WaveLiTConfig:
    name = str(facts.get("name"))
    preset, knobs = name.removesuffix(_PERIODIC), {}
    if isinstance(facts.get("model"), dict):
        knobs = dict(facts["model"].get("init_args", {}))
        preset = str(knobs.pop("preset", "waveliT"))
    if preset == MAXWELL:
        preset = "waveliT"
    if preset not in PRESETS or "normalizer.output_mean" not in core:
        raise ConfigError(
            f"{path} holds PDEArena's {name}, and only waveliT is rebuilt from its name; give "
            "--build"
        )
    # its conditioned models have one frame in and one out, and do not say so
    future, frames = int(facts.get("time_future", 1)), int(facts.get("time_history", 1))
    fields = len(core["normalizer.output_mean"]) // future
    given = {k: v for k, v in knobs.items() if k in WaveLiTConfig.__dataclass_fields__}
    if name.endswith(_PERIODIC):
        given.setdefault("boundary", "periodic")
    return WaveLiTConfig.preset(
        preset,
        in_channels=frames * fields,
        out_channels=future * fields,
        **{
            "ndim": len(core["normalizer.training_grid"]),
            "residual": "on",
            "conditions": len(core["normalizer.condition_mean"]),
            "layout": ChannelLayout(frames=frames, fields=fields, frames_out=future),
            **given,
        },
    )
