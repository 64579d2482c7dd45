"""The Well's HDF5 files: of ``wavelit data make --host the_well`` or of its own data sets.

A data set is a folder with ``data/train`` and ``data/test``, and mostly ``data/valid``. The
channels are in the host's order: scalar fields, then the components of vectors and tensors.
Scalars that differ between trajectories are inputs too; those that vary in time are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from wavelit_plugin.data.readers.base import GridData, Reader, evolving
from wavelit_plugin.data.readers.the_well_hdf5 import Content, read_file
from wavelit_plugin.data.records import Trajectories
from wavelit_plugin.errors import DataError


def names(folder: Path) -> tuple[str, ...]:
    """Return the data sets in a folder, or the folder's own name if it is one."""
    if _is_data_set(folder):
        return (folder.name,)
    return tuple(sorted(path.name for path in folder.iterdir() if _is_data_set(path)))


def read(folder: Path, name: str) -> GridData:
    """Read one data set: pairs of neighbouring frames.

    Raises:
        HostError: h5py is not installed.
        DataError: a file is damaged, breaks the specification, or holds NaN or too little.
    """
    place = folder if _is_data_set(folder) else folder / name
    train = _split(place, "train")
    varying = tuple(key for key, value in train.scalars.items() if bool((value != value[0]).any()))
    parts = {"train": _trajectories(train, varying)}
    for split in ("valid", "test"):
        if _files(place, split):
            content = _split(place, split)
            _check_alike(train, content, place / "data" / split)
            parts[split] = _trajectories(content, varying)
    return evolving(
        name=name,
        fields=tuple(train.fields),
        constants=tuple(train.constants),
        parameters=varying,
        boundary=train.boundary,
        parts=parts,
        path=place,
    )


THE_WELL = Reader(name="the_well", names=names, read=read)


def _is_data_set(folder: Path) -> bool:
    return all(_files(folder, split) for split in ("train", "test"))


def _files(folder: Path, split: str) -> list[Path]:
    place = folder / "data" / split
    return sorted([*place.glob("*.h5"), *place.glob("*.hdf5")])


def _split(folder: Path, split: str) -> Content:
    """Return the contents of all files of a split, joined along the trajectories."""
    paths = _files(folder, split)
    parts = [read_file(path) for path in paths]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        _check_alike(parts[0], part, path)
        frames, wanted = (next(iter(one.fields.values())).shape[1] for one in (part, parts[0]))
        if frames != wanted:
            raise DataError(
                f"{path} has {frames} frames a trajectory and {paths[0].name} has {wanted}; keep "
                "trajectories of one length in a split"
            )
    return Content(
        _joined([part.fields for part in parts]),
        _joined([part.constants for part in parts]),
        _joined([part.scalars for part in parts]),
        parts[0].boundary,
    )


def _joined(parts: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _trajectories(content: Content, varying: tuple[str, ...]) -> Trajectories:
    fields = torch.stack(list(content.fields.values()), dim=2)
    empty = fields.new_zeros(len(fields), 0, *fields.shape[3:])
    constants = torch.stack(list(content.constants.values()), dim=1) if content.constants else empty
    numbers = [content.scalars[name] for name in varying]
    parameters = torch.stack(numbers, dim=1) if numbers else fields.new_zeros(len(fields), 0)
    return Trajectories(fields, constants, parameters)


def _check_alike(first: Content, other: Content, path: Path) -> None:
    """Raise DataError unless both hold the same fields on the same grid."""
    if _outline(first) != _outline(other):
        raise DataError(
            f"{path} differs from the first training file in fields, constants, scalars, boundary "
            "or grid; keep each data set in a folder of its own"
        )


def _outline(content: Content) -> tuple[object, ...]:
    """Return what all files of a data set share."""
    parts = (content.fields, content.constants, content.scalars)
    spaces = [tuple(values.shape[2:]) for values in content.fields.values()]
    return [list(part) for part in parts], spaces, content.boundary
