"""The record of a comparison on disk: everything that is needed to judge and to repeat it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.runs import DEMO_WINDOWS, mean
from wavelit_plugin.compare.store import RunRecord
from wavelit_plugin.files import write_json

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


def as_plain(run: RunRecord) -> dict[str, Any]:
    """Return a run of the demonstration as its file of results has it."""
    rolled = run.metrics["rollout"]
    return {
        "operator": run.spec.label,
        "parameters": run.costs.get("parameters"),
        "learning_rate": run.spec.learning_rate,
        "seconds": run.costs.get("training_seconds"),
        "one_step_vrmse": run.metrics["one_step"],
        "rollout_vrmse": {
            f"{first}-{last}": mean(rolled[first - 1 : last]) for first, last in DEMO_WINDOWS
        },
        "rollout_vrmse_by_step": rolled,
        "training_loss_by_epoch": [loss for _, _, loss in run.curve],
    }


def write_results(path: Path, facts: Mapping[str, object], runs: Sequence[RunRecord]) -> None:
    """Write JSON, whole or not at all."""
    write_json(path, {**facts, "results": [as_plain(run) for run in runs]})


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
