"""Checkpoints: one safetensors file that holds the weights, the statistics and the configuration.

No pickle: the file cannot run code, and it loads with any safetensors reader.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model.config import WaveLiTConfig

FORMAT = "1"
"""Version of the file format; another one is refused."""

_KEY, _CONFIG = "wavelit_format", "wavelit_config"


def write_checkpoint(path: Path, config: WaveLiTConfig, tensors: dict[str, torch.Tensor]) -> None:
    """Write to a temporary name beside ``path``, then rename: never half a file.

    Raises:
        DataError: the folder does not exist.
    """
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent} to save {path.name} in; make it first")
    metadata = {_KEY: FORMAT, _CONFIG: json.dumps(config.as_dict())}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, partial, metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[WaveLiTConfig, dict[str, torch.Tensor]]:
    """Return the configuration and the tensors (on the CPU).

    Raises:
        DataError: no such file, truncated, or not a WaveLiT checkpoint.
        ConfigError: written in another version of the format.
    """
    if not path.is_file():
        raise DataError(f"there is no checkpoint {path}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            config = _read_config(path, file.metadata() or {})
            return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DataError(
            f"{path} is not a complete safetensors file ({error}); copy it again or use another"
        ) from error


def check_tensors(
    path: Path, found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Raise DataError unless names and shapes are those of the configured model."""
    both = found.keys() & expected.keys()
    wrong = sorted(found.keys() ^ expected.keys())
    wrong += sorted(name for name in both if found[name].shape != expected[name].shape)
    if wrong:
        raise DataError(
            f"{path} does not hold the tensors that its configuration asks for: "
            f"{', '.join(wrong[:3])} ({len(wrong)} in all) are missing, unknown or of another "
            "shape; load it with the version of wavelit-plugin that wrote it"
        )


def _read_config(path: Path, metadata: dict[str, Any]) -> WaveLiTConfig:
    if _KEY not in metadata or _CONFIG not in metadata:
        raise DataError(
            f"{path} is a safetensors file without a WaveLiT configuration; save it with "
            "WaveLiT.save"
        )
    if metadata[_KEY] != FORMAT:
        raise ConfigError(
            f"{path} has checkpoint format {metadata[_KEY]!r}, this version reads {FORMAT!r}; "
            "install the version of wavelit-plugin that wrote it"
        )
    try:
        values = json.loads(metadata[_CONFIG])
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} holds a configuration that is no JSON ({error}); save the model again"
        ) from error
    return WaveLiTConfig.from_dict(values)
