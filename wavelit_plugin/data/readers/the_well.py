"""The Well's HDF5 files: of ``wavelit data make --host the_well`` or of its own data sets.

A data set is a folder with ``data/train`` and ``data/test``, and mostly ``data/valid``. The
channels are in the host's order: scalar fields, then the components of vectors and tensors.
Scalars that differ between trajectories are inputs too; those that vary in time are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wavelit_plugin.data.readers.base import (
    GridData,
    Reader,
    check_finite,
    continued,
    held_back,
)
from wavelit_plugin.data.records import Trajectories, with_parameters
from wavelit_plugin.errors import DataError, HostError
from wavelit_plugin.shapes import BOUNDARIES

ORDERS = ("t0_fields", "t1_fields", "t2_fields")


class Content(NamedTuple):
    """What a split holds, by name.

    Attributes:
        fields: (trajectory, frame, *space).
        constants: (trajectory, *space).
        scalars: (trajectory,), constant in time.
        boundary: what each axis does at its ends.
    """

    fields: Mapping[str, Tensor]
    constants: Mapping[str, Tensor]
    scalars: Mapping[str, Tensor]
    boundary: tuple[str, ...]


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
    if "valid" not in parts:
        count = len(parts["train"].fields)
        start = count - held_back(count, what="trajectories", path=place)
        parts["valid"] = Trajectories(*(part[start:] for part in parts["train"]))
        parts["train"] = Trajectories(*(part[:start] for part in parts["train"]))
    pairs = {split: continued(part) for split, part in parts.items()}
    for split, pair in pairs.items():
        check_finite(split, pair, place)
    test = parts["test"]
    fixed = with_parameters(test.constants, test.parameters)
    return GridData(
        name=name,
        fields=tuple(train.fields),
        constants=(*train.constants, *varying),
        boundary=train.boundary,
        continues=True,
        train=pairs["train"],
        valid=pairs["valid"],
        test=pairs["test"],
        trajectories=Trajectories(test.fields, fixed, test.parameters[:, :0]),
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
    parts = [_read_file(path) for path in paths]
    for path, part in zip(paths[1:], parts[1:], strict=True):
        _check_alike(parts[0], part, path)
    return Content(
        _joined([part.fields for part in parts]),
        _joined([part.constants for part in parts]),
        _joined([part.scalars for part in parts]),
        parts[0].boundary,
    )


def _joined(parts: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _read_file(path: Path) -> Content:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise HostError(
            f"{path.name} is read with h5py, which is not installed; install "
            "wavelit-plugin[the-well]"
        ) from error
    try:
        with h5py.File(path) as file:
            return _content(file, path)
    except (OSError, KeyError) as error:
        raise DataError(
            f"{path} breaks The Well's specification or is damaged ({error}); make or copy it again"
        ) from error


def _content(file: Any, path: Path) -> Content:
    axes = [str(axis) for axis in file["dimensions"].attrs["spatial_dims"]]
    count, frames = int(file.attrs["n_trajectories"]), file["dimensions"]["time"].shape[-1]
    space = tuple(file["dimensions"][axis].shape[-1] for axis in axes)
    fields: dict[str, Tensor] = {}
    constants: dict[str, Tensor] = {}
    for order, group in enumerate(ORDERS):
        for name in file[group].attrs["field_names"]:
            held = file[group][name]
            whole = (count, frames, *space, *(len(axes),) * order)
            values = _expanded(held, whole, path)
            components = _components(name, values, axes, order)
            if held.attrs["time_varying"]:
                fields.update(components)
            else:
                constants.update({key: value[:, 0] for key, value in components})
    scalars = {
        str(name): _expanded(file["scalars"][name], (count, 1), path)[:, 0]
        for name in file["scalars"].attrs["field_names"]
        if not file["scalars"][name].attrs["time_varying"]
    }
    return Content(fields, constants, scalars, _boundary(file["boundary_conditions"], axes))


def _expanded(held: Any, whole: tuple[int, ...], path: Path) -> Tensor:
    """Return a data set with all axes, also those that it does not vary along.

    Raises:
        DataError: its shape is not the one that its attributes announce.
    """
    varies = [held.attrs["sample_varying"], held.attrs["time_varying"]]
    varies += list(held.attrs.get("dim_varying", ()))
    varies += [True] * (len(whole) - len(varies))
    expected = tuple(size for size, along in zip(whole, varies, strict=True) if along)
    # a number alone may also be stored as one of one element
    if held.shape != expected and not (expected == () and held.shape == (1,)):
        raise DataError(
            f"{held.name} of {path} must have shape {expected} by its attributes, got "
            f"{held.shape}; the file breaks The Well's specification"
        )
    stored = [size if along else 1 for size, along in zip(whole, varies, strict=True)]
    constant_in_time = [*whole]
    if not varies[1]:
        constant_in_time[1] = 1
    return torch.as_tensor(held[()]).float().reshape(stored).expand(constant_in_time)


def _components(name: str, values: Tensor, axes: list[str], order: int) -> list[tuple[str, Tensor]]:
    """Return the name and the values of each component, (trajectory, frame, *space)."""
    if order == 0:
        return [(name, values)]
    labels = ["".join(label) for label in product(axes, repeat=order)]
    parts = values.flatten(-order).unbind(-1)
    return [(f"{name}_{label}", part) for label, part in zip(labels, parts, strict=True)]


def _boundary(conditions: Any, axes: list[str]) -> tuple[str, ...]:
    """Return one name for each axis; "open", which claims nothing, where several or none hold."""
    kinds: dict[str, set[str]] = {axis: set() for axis in axes}
    for condition in conditions.values():
        for axis in condition.attrs["associated_dims"]:
            kinds[str(axis)].add(str(condition.attrs["bc_type"]).lower())

    def told() -> Iterator[str]:
        for axis in axes:
            (kind, *more) = sorted(kinds[axis]) or ["open"]
            yield kind if kind in BOUNDARIES and not more else "open"

    return tuple(told())


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
