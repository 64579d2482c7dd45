"""Checkpoints: one safetensors file that holds the weights, the statistics and the configuration.

No pickle: the file cannot run code, and it loads with any safetensors reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from wavelit_plugin import files
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model.config import WaveLiTConfig

FORMAT = "5"
"""Version of the files, others are refused; new too where weights begin to mean something else."""

_KEY = "wavelit_format"
_KINDS = {"wavelit_config": "WaveLiT", "wavelit_joint": "JointWaveLiT"}
_CONFIG, JOINT = _KINDS
"""Under which key of a file's metadata the configuration of one model, or of a joint one, is."""

Read = TypeVar("Read")


def write_checkpoint(path: Path, config: WaveLiTConfig, tensors: dict[str, torch.Tensor]) -> None:
    """Write one model's file, whole or not at all.

    Raises:
        DataError: the folder does not exist, the disk does not take the file, or there is nothing
            to write yet.
    """
    write_file(path, _CONFIG, config.as_dict(), tensors)


def write_file(path: Path, key: str, content: object, tensors: dict[str, torch.Tensor]) -> None:
    """Write a file, whole or not at all.

    Args:
        path: of the file.
        key: what ``content`` is kept under in its metadata.
        content: plain types.
        tensors: by name.

    Raises:
        DataError: the folder does not exist, the disk does not take the file, or there is nothing
            to write yet.
    """
    with files.disk_errors(path):
        if not path.parent.is_dir():
            raise DataError(
                f"there is no folder {path.parent} to save {path.name} in; make it first"
            )
        if path.is_dir():
            raise DataError(f"{path} is a folder; give the name of a file in it")
    if any(tensor.is_meta for tensor in tensors.values()):
        raise DataError("a model on the meta device has no numbers to save; load its weights first")
    metadata = {_KEY: FORMAT, key: json.dumps(content)}
    held = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    files.write_file(path, save(held, metadata))


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
    try:
        with files.disk_errors(path):
            if not path.is_file():
                folder = f"{path} is a folder, not a checkpoint"
                what = folder if path.is_dir() else f"there is no checkpoint {path}"
                raise DataError(f"{what}; check the path")
            held = path.read_bytes()  # safetensors opens no file whose name is no text
        tensors = load(held)
        with files.content_errors(path, "save the model again"):
            return parse(_content(path, _metadata(held), key)), tensors
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
    wrong += sorted(name for name in both if not _alike(found[name], expected[name]))
    if wrong:
        raise DataError(
            f"{path} does not hold the tensors that its configuration asks for: "
            f"{', '.join(wrong[:3])} ({len(wrong)} in all) are missing, unknown or of another "
            "shape or kind; load it with the version of wavelit-plugin that wrote it"
        )


def _alike(found: torch.Tensor, expected: torch.Tensor) -> bool:
    floating = found.is_floating_point(), expected.is_floating_point()
    return found.shape == expected.shape and floating[0] == floating[1]


def _metadata(held: bytes) -> dict[str, str]:
    """Return what a safetensors file has before its tensors: a length, and JSON of that length."""
    start = 8
    header = json.loads(held[start : start + int.from_bytes(held[:start], "little")])
    return header.get("__metadata__", {})


def _content(path: Path, metadata: dict[str, str], key: str) -> dict[str, Any]:
    if _KEY not in metadata or key not in metadata:
        raise DataError(f"{path} is a safetensors file without {_wanted(metadata, key)}")
    if metadata[_KEY] != FORMAT:
        raise ConfigError(
            f"{path} has checkpoint format {metadata[_KEY]!r}, this version reads {FORMAT!r}; "
            "install the version of wavelit-plugin that wrote it"
        )
    try:
        content = json.loads(metadata[key])
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} holds a configuration that is no JSON ({error}); save the model again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a configuration without names; save the model again")
    return content


def _wanted(metadata: dict[str, str], key: str) -> str:
    """Return what a file lacks and what to do about it."""
    kind = _KINDS[key]
    if JOINT in metadata:
        return f"a {kind}: it holds a JointWaveLiT; use JointWaveLiT.load, then member(NAME)"
    if _CONFIG in metadata:
        return f"a {kind}: it holds a WaveLiT; use WaveLiT.load"
    return f"a {kind} configuration; save it with {kind}.save"
