"""neuraloperator's checkpoints of waveliT: ``{name}_state_dict.pt`` with ``{name}_metadata.pkl``.

``BaseModel.save_checkpoint`` writes both, and so does its Trainer. The host is not needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import PRESETS, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.checkpoints import (
    CheckpointRequest,
    Format,
    Model,
    check_channels,
    fill,
    on_channels,
    read_state,
    read_torch,
    ready,
)

_NAME = "neuraloperator"
_STATE, _METADATA = "_state_dict.pt", "_metadata.pkl"


def holds(path: Path) -> bool:
    """Whether it is such a file of weights, or a folder with one."""
    return path.name.endswith(_STATE) if path.is_file() else bool(list(path.glob(f"*{_STATE}")))


def load(request: CheckpointRequest) -> Model:
    """Return the model.

    Raises:
        DataError: files are missing or damaged, or do not know the fields of the data.
        ConfigError: another operator than waveliT, or other axes, frames or constants.
    """
    weights = _weights(request.checkpoint)
    described = weights.with_name(f"{weights.name.removesuffix(_STATE)}{_METADATA}")
    if not described.is_file():
        raise DataError(
            f"{weights.name} says nothing of its model without {described.name} beside it; copy "
            "that too, or give --build"
        )
    config = _config(read_torch(described), described)
    check_channels(config, request.data, request.checkpoint)
    model = WaveLiT(config)
    fill(model, read_state(weights), weights)
    frames = config.channels.frames
    return ready(on_channels(model), format=_NAME, frames=frames, device=request.device)


FORMAT = Format(
    name=_NAME, summary=f"neuraloperator's *{_STATE} of waveliT", holds=holds, load=load
)


def _weights(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob(f"*{_STATE}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found)
        raise ConfigError(f"{path} holds several checkpoints ({names}); give one of the files")
    return found[0]


def _config(described: dict[str, Any], path: Path) -> WaveLiTConfig:
    """Return the configuration; options that a host's other models share are left out."""
    by_lower = {name.lower(): name for name in PRESETS}
    name = str(described.get("_name", ""))
    if name.lower() not in by_lower:
        raise ConfigError(
            f"{path} describes {name or 'a model without a name'}, and only waveliT is rebuilt "
            "from its description; give --build"
        )
    # the host keeps apart what was given by position
    given = dict(zip(("in_channels", "out_channels"), described.get("args", ()), strict=False))
    described = {**described, **given}
    known = WaveLiTConfig.__dataclass_fields__
    knobs = {k: value for k, value in described.items() if k in known and value is not None}
    if "ndim" not in knobs and described.get("n_modes"):
        knobs["ndim"] = len(described["n_modes"])
    if not {"in_channels", "out_channels"} <= knobs.keys():
        raise DataError(f"{path} does not say how many channels the model has; give --build")
    return WaveLiTConfig.preset(name, **knobs)
