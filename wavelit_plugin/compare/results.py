"""The record of a comparison on disk: everything that is needed to judge and to repeat it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.records import WINDOWS, Result
from wavelit_plugin.files import finite, write_json

_PACKAGES = ("wavelit-plugin", "torch", "neuraloperator", "pdearena", "the_well", "numpy")


def hardware(device: str) -> dict[str, object]:
    """Return the name of what computed and how many threads it used."""
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "device": device,
        "gpu": gpu,
        "cpu": _processor(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(terse=True),
    }


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that the numbers depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def as_plain(result: Result) -> dict[str, Any]:
    """Return a result without its fields, in plain types; an error that overflowed is None."""
    return {
        "operator": result.operator,
        "parameters": result.parameters,
        "learning_rate": result.learning_rate,
        "seconds": result.seconds,
        "one_step_vrmse": finite(result.errors.one_step),
        "rollout_vrmse": {
            f"{first}-{last}": finite(result.errors.window(first, last)) for first, last in WINDOWS
        },
        "rollout_vrmse_by_step": [finite(error) for error in result.errors.rollout],
        "training_loss_by_epoch": [finite(loss) for loss in result.losses],
    }


def write_results(path: Path, facts: Mapping[str, object], results: Sequence[Result]) -> None:
    """Write JSON, whole or not at all."""
    write_json(path, {**facts, "results": [as_plain(result) for result in results]})


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name; Linux keeps it in a file, elsewhere Python may know it."""
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
