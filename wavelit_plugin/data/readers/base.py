"""What a reader is and what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wavelit_plugin.data.records import Trajectories, with_parameters
from wavelit_plugin.errors import DataError
from wavelit_plugin.shapes import BOUNDARIES, Field

VALIDATION = 0.2
"""Part of the training data that validates where a format has no split for it."""


class Pairs(NamedTuple):
    """Inputs and targets, both (sample, channel, *space), in physical units."""

    x: Field
    y: Field


@dataclass(frozen=True, kw_only=True)
class GridData:
    """A data set in three splits that share no trajectory.

    Attributes:
        name: of the data set.
        fields: names of the channels of ``y``.
        constants: names of the other channels of ``x``; all of them where nothing continues.
        boundary: what each axis does at its ends; "open" where nobody knows.
        continues: whether ``y`` is the first channels of ``x`` one frame later.
        train, valid, test: the splits, float32, on the CPU.
        trajectories: the whole test trajectories; the parameters are among the constants, and
            None where the data are static.
    """

    name: str
    fields: tuple[str, ...]
    constants: tuple[str, ...]
    boundary: tuple[str, ...]
    continues: bool
    train: Pairs
    valid: Pairs
    test: Pairs
    trajectories: Trajectories | None

    @property
    def size(self) -> tuple[int, ...]:
        """Grid points along each axis."""
        return tuple(self.train.x.shape[2:])


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How the files of one format are read.

    Attributes:
        name: of the format.
        names: called with a folder; the names of the data sets in it.
        read: called with a folder and one of these names.
    """

    name: str
    names: Callable[[Path], tuple[str, ...]]
    read: Callable[[Path, str], GridData]


def continued(trajectories: Trajectories) -> Pairs:
    """Return every frame with the constants and the parameters, and the frame after it."""
    fields, constants, parameters = trajectories
    fixed = with_parameters(constants, parameters)
    fixed = fixed[:, None].expand(-1, fields.shape[1] - 1, *fixed.shape[1:])
    x = torch.cat([fields[:, :-1], fixed], dim=2)
    return Pairs(x.flatten(0, 1), fields[:, 1:].flatten(0, 1))


def held_back(count: int, *, what: str, path: Path) -> int:
    """Return how many of ``count`` training samples or trajectories validate, the last ones.

    Raises:
        DataError: there are less than two.
    """
    if count < 2:
        raise DataError(
            f"{path} holds {count} training {what}, and at least 2 are needed, one of them to "
            "validate with; use a larger data set"
        )
    return max(1, round(VALIDATION * count))


def check_finite(name: str, pairs: Pairs, path: Path) -> None:
    """Raise DataError if a split is empty or holds NaN or infinity."""
    if len(pairs.x) == 0:
        raise DataError(f"the {name} split of {path} is empty; make the data again")
    for part in pairs:
        if not bool(part.isfinite().all()):
            raise DataError(
                f"the {name} split of {path} holds NaN or infinite values; repair or drop them"
            )


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what ``wavelit data make`` wrote beside the data; nothing where it did not."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); make the data again") from error
    return facts if isinstance(facts, dict) and "parameters" in facts else {}


def boundary_of(metadata: dict[str, Any], ndim: int) -> tuple[str, ...]:
    """Return the boundary condition of each axis; "open", which claims nothing, by default."""
    name = metadata.get("parameters", {}).get("boundary", "open")
    return (name if name in BOUNDARIES else "open",) * ndim
