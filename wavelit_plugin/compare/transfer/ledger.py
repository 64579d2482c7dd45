"""The folder of a transfer matrix: its plan, finished trainings with their models, and cells."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.notebook import append_line, read_lines, read_whole, write_whole
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import content_errors, make_folder

PLAN, TRAININGS, CELLS, MODELS = "plan.json", "trainings.jsonl", "cells.jsonl", "models"

FORMAT = 1
_AGAIN = "delete the file and start again"

DECIDES = ("format", "data", "model", "training", "waves", "flows", "versions")
"""The facts of a plan that the numbers depend on; the others are told, not compared."""


@dataclass(frozen=True, kw_only=True)
class TrainingLine:
    """A finished training.

    Attributes:
        lesson: its name.
        seed: of weights and order.
        steps: that were done.
        seconds: of training.
        parameters: of the joint model, all data sets together.
        curve: (step, mean loss since the point before).
        diverged: a loss was not finite; there is no model then.
    """

    lesson: str
    seed: int
    steps: int
    seconds: float
    parameters: int
    curve: tuple[tuple[int, float], ...]
    diverged: bool


@dataclass(frozen=True, kw_only=True)
class CellLine:
    """One finished cell; errors are None where they are not finite or could not be had.

    Attributes:
        data_set: that was predicted.
        column: of the matrix.
        seed: of the training.
        own_steps: steps on this data set, in all trainings that led to the model.
        other_steps: steps on other data sets.
        one_step: VRMSE, mean over samples and fields.
        fields: the same of each field.
        rollout: VRMSE of each roll-out step, mean over trajectories and fields.
        note: why there is no number; empty where there is.
    """

    data_set: str
    column: str
    seed: int
    own_steps: int = 0
    other_steps: int = 0
    one_step: float | None = None
    fields: Mapping[str, float | None]
    rollout: tuple[float | None, ...] = ()
    note: str = ""


class Ledger:
    """What a folder holds; the process must hold the folder's lock.

    Args:
        folder: an existing folder.
        plan: plain facts; those named in DECIDES must be those of the results that are there.

    Raises:
        ConfigError: the folder holds results of other settings.
        DataError: a file in it is damaged.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        self.plan = json.loads(json.dumps(plan, allow_nan=False))
        path = folder / PLAN
        if path.exists():
            _check_same(folder, read_whole(path), self.plan)
        make_folder(folder / MODELS)
        write_whole(path, self.plan)
        decided = json.dumps([self.plan[name] for name in DECIDES], sort_keys=True)
        self.settings = hashlib.sha256(decided.encode()).hexdigest()[:16]

    def trainings(self) -> dict[tuple[str, int], TrainingLine]:
        """Return the finished trainings by lesson and seed."""
        with content_errors(self.folder / TRAININGS, _AGAIN):
            lines = [training_from(line) for line in self._lines(TRAININGS)]
            return {(line.lesson, line.seed): line for line in lines}

    def cells(self) -> dict[tuple[str, str, int], CellLine]:
        """Return the finished cells by data set, column and seed."""
        with content_errors(self.folder / CELLS, _AGAIN):
            lines = [cell_from(line) for line in self._lines(CELLS)]
            return {(line.data_set, line.column, line.seed): line for line in lines}

    def add(self, line: TrainingLine | CellLine) -> None:
        """Keep a finished training, whose model is written already, or a finished cell."""
        name = TRAININGS if isinstance(line, TrainingLine) else CELLS
        append_line(self.folder / name, {"settings": self.settings, **asdict(line)})

    def model(self, lesson: str, seed: int) -> Path:
        """Return where the model of a training is, or will be."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", lesson)
        return self.folder / MODELS / f"{slug}-seed{seed}.safetensors"

    def state(self, lesson: str, seed: int) -> Path:
        """Return where the state of a training in progress is."""
        return self.model(lesson, seed).with_suffix(".state")

    def _lines(self, name: str) -> list[dict[str, Any]]:
        found = read_lines(self.folder / name)
        return [line for line in found if line.get("settings") == self.settings]


def training_from(line: Mapping[str, Any]) -> TrainingLine:
    """Return what ``Ledger.add`` wrote; DataError where it is something else."""
    curve = tuple((int(step), float(loss)) for step, loss in line.get("curve", ()))
    return TrainingLine(**_of(line, TrainingLine, curve=curve))


def cell_from(line: Mapping[str, Any]) -> CellLine:
    """Return what ``Ledger.add`` wrote; DataError where it is something else."""
    return CellLine(**_of(line, CellLine, rollout=tuple(line.get("rollout", ()))))


def _of(line: Mapping[str, Any], kind: type, **changed: object) -> dict[str, Any]:
    names = set(kind.__annotations__)
    if not names <= set(line):
        raise DataError(
            f"a line of the folder lacks {', '.join(sorted(names - set(line)))}; {_AGAIN}"
        )
    return {**{name: line[name] for name in names}, **changed}


def _check_same(folder: Path, there: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    for name in DECIDES:
        if there.get(name) != plan[name]:
            raise ConfigError(
                f"{folder} holds a transfer matrix with another {name} ({there.get(name)} there, "
                f"{plan[name]} now), whose numbers cannot stand in one table; use another folder"
            )
