"""Checkpoints: one safetensors file that holds the weights, the statistics and the configuration.

No pickle: the file cannot run code, and it loads with any safetensors reader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model.config import WaveLiTConfig

FORMAT = "4"
"""Version of the files, others are refused; new too where weights begin to mean something else."""

_KEY = "wavelit_format"
_KINDS = {"wavelit_config": "WaveLiT", "wavelit_joint": "JointWaveLiT"}
_CONFIG, JOINT = _KINDS
"""Under which key of a file's metadata the configuration of one model, or of a joint one, is."""

Read = TypeVar("Read")


def write_checkpoint(path: Path, config: WaveLiTConfig, tensors: dict[str, torch.Tensor]) -> None:
    """Write one model's file, whole or not at all.

    Raises:
        DataError: the folder does not exist.
    """
    write_file(path, _CONFIG, config.as_dict(), tensors)


def write_file(path: Path, key: str, content: object, tensors: dict[str, torch.Tensor]) -> None:
    """Write to a temporary name beside ``path``, then rename: never half a file.

    Args:
        path: of the file.
        key: what ``content`` is kept under in its metadata.
        content: plain types.
        tensors: by name.

    Raises:
        DataError: the folder does not exist.
    """
    if not path.parent.is_dir():
        raise DataError(f"there is no folder {path.parent} to save {path.name} in; make it first")
    metadata = {_KEY: FORMAT, key: json.dumps(content)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, partial, metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[WaveLiTConfig, dict[str, torch.Tensor]]:
    """Return the configuration and the tensors (on the CPU) of one model.

    Raises:
        DataError: no such file, truncated, or not a WaveLiT checkpoint.
        ConfigError: written in another version of the format.
    """
    return read_file(path, _CONFIG, WaveLiTConfig.from_dict)


def read_file(
    path: Path, key: str, parse: Callable[[dict[str, Any]], Read]
) -> tuple[Read, dict[str, torch.Tensor]]:
    """Return what ``parse`` makes of the metadata under ``key``, and the tensors (on the CPU).

    Raises:
        DataError: no such file, truncated, or without this key.
        ConfigError: written in another version of the format.
    """
    if not path.is_file():
        raise DataError(f"there is no checkpoint {path}; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            content = parse(_content(path, file.metadata() or {}, key))
            return content, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
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


def _content(path: Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    if _KEY not in metadata or key not in metadata:
        raise DataError(f"{path} is a safetensors file without {_wanted(metadata, key)}")
    if metadata[_KEY] != FORMAT:
        raise ConfigError(
            f"{path} has checkpoint format {metadata[_KEY]!r}, this version reads {FORMAT!r}; "
            "install the version of wavelit-plugin that wrote it"
        )
    try:
        content: dict[str, Any] = json.loads(metadata[key])
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} holds a configuration that is no JSON ({error}); save the model again"
        ) from error
    return content


def _wanted(metadata: dict[str, str], key: str) -> str:
    """Return what a file lacks and what to do about it."""
    kind = _KINDS[key]
    if JOINT in metadata:
        return f"a {kind}: it holds a JointWaveLiT; use JointWaveLiT.load, then member(NAME)"
    if _CONFIG in metadata:
        return f"a {kind}: it holds a WaveLiT; use WaveLiT.load"
    return f"a {kind} configuration; save it with {kind}.save"
