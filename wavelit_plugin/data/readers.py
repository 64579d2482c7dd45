"""Training data on grids from the files of any host, and what its reader needs for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.errors import DataError, unknown_name
from wavelit_plugin.files import content_errors, disk_error, disk_errors
from wavelit_plugin.plugins import readers
from wavelit_plugin.plugins.datasets import GridData, Pairs, Reader, Trajectories, with_parameters
from wavelit_plugin.shapes import BOUNDARIES

__all__ = ["GridData", "Pairs", "Reader", "read_grid_data"]

VALIDATION = 0.2
"""Part of the training data that validates where a format has no split for it."""


def read_grid_data(path: Path) -> GridData:
    """Read the data set of a folder; ``FOLDER/NAME`` chooses where a folder holds several.

    Raises:
        DataError: the folder does not exist, or holds no data set or several.
        ConfigError: it holds none of that name; the nearest is shown.
    """
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    known = readers() if folder.is_dir() else ()
    found = {name: reader for reader in known for name in reader.names(folder)}
    if wanted is not None and not found:
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give a folder of data, or FOLDER/NAME of one in it")
    if wanted is not None and found and wanted not in found:
        raise unknown_name(f"data set in {folder}", wanted, found)
    chosen = [wanted] if wanted in found else list(found)
    if len(chosen) != 1:
        raise DataError(_no_choice(folder, chosen))
    (name,) = chosen
    with disk_errors(folder / name), content_errors(folder / name, "make or copy the data again"):
        return found[name].read(folder, name)


def _no_choice(folder: Path, names: list[str]) -> str:
    if names:
        choices = " or ".join(str(folder / name) for name in names)
        return f"{folder} holds {len(names)} data sets; give {choices}"
    expected = ", or ".join(f"{reader.files} ({reader.name})" for reader in readers())
    return (
        f"{folder} holds no pairs of training and test files that can be read; expected {expected}"
    )


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
