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

from wavelit_plugin.data.readers import GridData, Reader, check_finite, evolving
from wavelit_plugin.errors import DataError, HostError
from wavelit_plugin.hosts.the_well import hdf5 as parts
from wavelit_plugin.plugins.datasets import Trajectories
from wavelit_plugin.shapes import BOUNDARIES

ORDERS = ("t0_fields", "t1_fields", "t2_fields")


class Content(NamedTuple):
    """What a file or a split holds, by name.

    Attributes:
        fields: (trajectory, frame, *space), at least one.
        constants: (trajectory, *space).
        scalars: (trajectory,), constant in time.
        boundary: what each axis does at its ends.
    """

    fields: Mapping[str, Tensor]
    constants: Mapping[str, Tensor]
    scalars: Mapping[str, Tensor]
    boundary: tuple[str, ...]


class _Frame(NamedTuple):
    """The sizes that a file announces."""

    trajectories: int
    frames: int
    axes: tuple[str, ...]
    space: tuple[int, ...]


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


READER = Reader(
    name="the_well",
    files="{name}/data/train/*.hdf5 with {name}/data/test/*.hdf5",
    names=names,
    read=read,
)


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


def read_file(path: Path) -> Content:
    """Return the content of a file.

    Raises:
        HostError: h5py is not installed.
        DataError: it is damaged, breaks the specification, or holds NaN or infinity.
    """
    try:
        with opened(path) as file:
            content = content_of(file, path)
    except OSError as error:
        raise DataError(f"{path} is damaged ({error}); copy it again") from error
    for name, values in content.fields.items():
        check_finite(values, name, path, "trajectory", "frame")
    for name, values in (*content.constants.items(), *content.scalars.items()):
        check_finite(values, name, path, "trajectory")
    return content


def opened(path: Path) -> Any:
    """Return a file, open for reading.

    Raises:
        HostError: h5py is not installed.
        DataError: it is damaged or something else.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise HostError(
            f"{path.name} is read with h5py, which is not installed; install "
            "wavelit-plugin[the-well]"
        ) from error
    try:
        return h5py.File(path)
    except OSError as error:
        raise DataError(f"{path} is damaged or no HDF5 ({error}); copy it again") from error


def content_of(file: Any, path: Path) -> Content:
    """Return what an open file holds, or a part of it that answers as one does.

    Raises:
        DataError: it breaks the specification; names the part and the file.
    """
    frame = _frame(file, path)
    fields: dict[str, Tensor] = {}
    constants: dict[str, Tensor] = {}
    for order, group in enumerate(ORDERS):
        for held in _named(parts.group(file, group, path), path):
            components = _components(held, order, frame, path)
            if parts.flag(held, "time_varying", path):
                fields.update(components)
            else:
                constants.update({key: value[:, 0] for key, value in components})
    if not fields:
        raise parts.broken(path, "has no field that varies in time")
    scalars = {
        _name(held): _expanded(held, (frame.trajectories, 1), path)[:, 0]
        for held in _named(parts.group(file, "scalars", path), path)
        if not parts.flag(held, "time_varying", path)
    }
    conditions = parts.group(file, "boundary_conditions", path)
    return Content(fields, constants, scalars, _boundary(conditions, frame.axes, path))


def _frame(file: Any, path: Path) -> _Frame:
    dimensions = parts.group(file, "dimensions", path)
    axes = parts.words(dimensions, "spatial_dims", path)
    announced = parts.count(file, "n_spatial_dims", path)
    if announced != len(axes):
        raise parts.broken(path, f"has {announced} as n_spatial_dims and the axes {axes}")
    # the coordinates may differ between trajectories; the last axis is their own
    frames, *space = (
        (parts.data_set(dimensions, axis, path).shape or (1,))[-1] for axis in ("time", *axes)
    )
    trajectories = parts.count(file, "n_trajectories", path)
    if trajectories < 1 or frames < 1:
        raise parts.broken(path, f"holds {trajectories} trajectories of {frames} frames")
    return _Frame(trajectories, frames, axes, tuple(space))


def _named(group: Any, path: Path) -> Iterator[Any]:
    """Yield the data sets that the group's attribute lists."""
    for name in parts.words(group, "field_names", path):
        yield parts.data_set(group, name, path)


def _name(held: Any) -> str:
    """Return the last part of an object's name."""
    return str(held.name).rpartition("/")[2]


def _components(held: Any, order: int, frame: _Frame, path: Path) -> list[tuple[str, Tensor]]:
    """Return the name and the values of each component, (trajectory, frame, *space)."""
    shape = (frame.trajectories, frame.frames, *frame.space, *(len(frame.axes),) * order)
    values, name = _expanded(held, shape, path), _name(held)
    if order == 0:
        return [(name, values)]
    labels = ["".join(label) for label in product(frame.axes, repeat=order)]
    components = values.flatten(-order).unbind(-1)
    return [(f"{name}_{label}", part) for label, part in zip(labels, components, strict=True)]


def _expanded(held: Any, whole: tuple[int, ...], path: Path) -> Tensor:
    """Return a data set with all axes, also those that it does not vary along.

    Raises:
        DataError: its shape is not the one that its attributes announce, or it holds no numbers.
    """
    varies = [parts.flag(held, f"{kind}_varying", path) for kind in ("sample", "time")]
    if "dim_varying" in held.attrs:
        varies += parts.flags(held, "dim_varying", path)
    varies += [True] * (len(whole) - len(varies))
    expected = tuple(size for size, along in zip(whole, varies, strict=False) if along)
    # a number alone may also be stored as one of one element
    fits = held.shape == expected or (expected == () and held.shape == (1,))
    if len(varies) != len(whole) or not fits or held.dtype.kind not in "fiub":
        raise parts.broken(
            path,
            f"announces numbers of shape {expected} for {held.name} by its attributes and holds "
            f"{held.shape} of {held.dtype}",
        )
    stored = [size if along else 1 for size, along in zip(whole, varies, strict=True)]
    constant_in_time = [*whole]
    if not varies[1]:
        constant_in_time[1] = 1
    return torch.as_tensor(held[()]).float().reshape(stored).expand(constant_in_time)


def _boundary(conditions: Any, axes: tuple[str, ...], path: Path) -> tuple[str, ...]:
    """Return one name for each axis; "open", which claims nothing, where several or none hold."""
    kinds: dict[str, set[str]] = {axis: set() for axis in axes}
    for name in conditions:
        condition = parts.group(conditions, name, path)
        kind = str(parts.attribute(condition, "bc_type", path)).lower()
        for axis in parts.words(condition, "associated_dims", path):
            if axis not in kinds:
                raise parts.broken(path, f"has the unknown axis {axis} in {condition.name}")
            kinds[axis].add(kind)

    def told() -> Iterator[str]:
        for axis in axes:
            (kind, *more) = sorted(kinds[axis]) or ["open"]
            yield kind if kind in BOUNDARIES and not more else "open"

    return tuple(told())
