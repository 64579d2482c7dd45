"""The folder of a comparison: its plan, its finished runs, and what may be added to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.notebook import append_line, read_whole, write_whole
from wavelit_plugin.compare.runs import (
    FORMAT,
    PLAN,
    RUNS,
    Comparison,
    load_comparison,
    samples_path,
)
from wavelit_plugin.compare.study import Done
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.files import make_folder, save_tensors

Facts = dict[str, Any]

SAME = ("data", "budget", "batch_size", "match", "predict", "policy", "hardware", "versions")
"""What all runs of a folder have in common."""

_BESIDE = ("source", "relative_change")  # follow from the data or say nothing about them


class Ledger:
    """Plan and runs of one folder; the process must hold the folder's lock.

    Args:
        folder: an existing folder.
        common: the facts named in SAME.

    Raises:
        ConfigError: the folder holds runs of other settings.
        DataError: a file in it is damaged.
    """

    def __init__(self, folder: Path, common: Mapping[str, Any]) -> None:
        self.folder, self.common = folder, dict(common)
        self.settings = key_of(common)
        self.plan: Facts = read_whole(folder / PLAN) if (folder / PLAN).exists() else {}
        if self.plan:
            _check_same(folder, self.plan, self.common)

    @property
    def widths(self) -> dict[str, int | None]:
        """The widths that were chosen, by label."""
        return dict(self.plan.get("widths", {}))

    def write_plan(
        self,
        command: Sequence[str],
        seeds: int,
        widths: Mapping[str, int | None],
        rates: Mapping[str, Sequence[float]],
        ecosystems: Mapping[str, str],
    ) -> None:
        """Write what is asked for now; operators of earlier commands stay in the table."""
        before = self.plan
        commands = [*before.get("commands", [])]
        if list(command) not in commands:
            commands.append(list(command))
        self.plan = {
            "format": FORMAT,
            "command": list(command),
            "commands": commands,
            **self.common,
            "seeds": max(seeds, before.get("seeds", 1)),
            "operators": list(dict.fromkeys([*before.get("operators", ()), *rates])),
            "rates": {**before.get("rates", {}), **{k: list(v) for k, v in rates.items()}},
            "widths": {**before.get("widths", {}), **widths},
            "ecosystems": {**before.get("ecosystems", {}), **ecosystems},
            "settings": self.settings,
        }
        write_whole(self.folder / PLAN, self.plan)

    def load(self) -> Comparison:
        """Return the plan and the finished runs."""
        return load_comparison(self.folder)

    def add(self, done: Done) -> None:
        """Keep a finished run: first its fields, then its line, which makes it count."""
        run = done.record
        if done.samples is not None:
            path = samples_path(self.folder, run.label, run.learning_rate)
            make_folder(path.parent)
            save_tensors(dict(done.samples), path)
        append_line(self.folder / RUNS, run.as_plain())


def key_of(common: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that name the settings."""
    text = json.dumps({name: _identity(common[name]) for name in SAME}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_same(folder: Path, before: Facts, now: Facts) -> None:
    changed = [name for name in SAME if _identity(before.get(name)) != _identity(now[name])]
    if not changed:
        return
    name = changed[0]
    was, now_is = _first_difference(_identity(before.get(name)), _identity(now[name]))
    raise ConfigError(
        f"{folder} holds a comparison with other settings ({name}: {was} there, {now_is} now), "
        "whose runs cannot stand in one table; use another folder"
    )


def _identity(value: object) -> object:
    """Return what tells settings apart: of data the fingerprint, not the folder's name."""
    if isinstance(value, Mapping) and "fingerprint" in value:
        return {key: part for key, part in value.items() if key not in _BESIDE}
    return value


def _first_difference(before: object, now: object) -> tuple[object, object]:
    """Return what differs, and its key where both are mappings."""
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return before, now
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return f"{keys[0]} {before.get(keys[0])}", now.get(keys[0])
