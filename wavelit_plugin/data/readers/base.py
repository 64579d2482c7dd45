"""What a reader is and what it returns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wavelit_plugin.data.records import Trajectories, with_parameters
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import disk_error
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
        parameters: names of the numbers of a trajectory, which are the last of the constants.
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
    parameters: tuple[str, ...] = ()

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


def evolving(
    *,
    name: str,
    fields: tuple[str, ...],
    constants: tuple[str, ...],
    parameters: tuple[str, ...],
    boundary: tuple[str, ...],
    parts: Mapping[str, Trajectories],
    path: Path,
) -> GridData:
    """Return the data set whose splits are trajectories: pairs of neighbouring frames.

    Without a split "valid" the last of the training trajectories validate.

    Raises:
        DataError: a split has no pair, or there are too few trajectories.
    """
    splits = dict(parts)
    if "valid" not in splits:
        whole = splits["train"]
        start = len(whole.fields) - held_back(len(whole.fields), what="trajectories", path=path)
        splits["train"] = Trajectories(*(part[:start] for part in whole))
        splits["valid"] = Trajectories(*(part[start:] for part in whole))
    pairs = {split: continued(part) for split, part in splits.items()}
    check_filled(pairs, path)
    test = splits["test"]
    return GridData(
        name=name,
        fields=fields,
        constants=(*constants, *parameters),
        parameters=parameters,
        boundary=boundary,
        continues=True,
        train=pairs["train"],
        valid=pairs["valid"],
        test=pairs["test"],
        trajectories=Trajectories(
            test.fields,
            with_parameters(test.constants, test.parameters),
            test.parameters[:, :0],
        ),
    )


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


def check_finite(values: Tensor, what: str, path: Path, *axes: str) -> None:
    """Raise DataError where numbers are NaN or infinite, saying where the first of them is.

    Args:
        values: the numbers; their first axes are counted in the message.
        what: they are, such as the name of a field.
        path: of the file that holds them.
        *axes: names of the first axes of ``values``, such as "trajectory", "frame".
    """
    bad = ~values.isfinite()
    if not bool(bad.any()):
        return
    place = bad.nonzero()[0, : len(axes)].tolist()
    where = ", ".join(f"{axis} {number}" for axis, number in zip(axes, place, strict=True))
    raise DataError(
        f"{path} holds {int(bad.sum())} NaN or infinite values of {what}, the first in {where} "
        "(counted from 0); repair or drop them"
    )


def check_filled(parts: Mapping[str, Pairs], path: Path) -> None:
    """Raise DataError if a split, by name, is empty."""
    for split, pairs in parts.items():
        if len(pairs.x) == 0:
            raise DataError(f"the {split} split of {path} is empty; make the data again")


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what ``wavelit data make`` wrote beside the data; nothing where it did not."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise disk_error(path, error) from error
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); make the data again") from error
    known = isinstance(facts, dict) and isinstance(facts.get("parameters"), dict)
    return facts if known else {}


def boundary_of(metadata: dict[str, Any], ndim: int) -> tuple[str, ...]:
    """Return the boundary condition of each axis; "open", which claims nothing, by default."""
    name = metadata.get("parameters", {}).get("boundary", "open")
    return (name if name in BOUNDARIES else "open",) * ndim
