"""One of The Well's HDF5 files: what it holds by name, and where it breaks the specification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wavelit_plugin.data.readers import the_well_parts as parts
from wavelit_plugin.data.readers.base import check_finite
from wavelit_plugin.errors import DataError, HostError
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
