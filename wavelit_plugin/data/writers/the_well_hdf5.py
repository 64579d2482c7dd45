"""Files after The Well's HDF5 specification, filled chunk by chunk, and their statistics.

Groups: ``t0_fields`` holds scalar fields (trajectory, frame, *space), ``t1_fields`` vectors
(..., component), constant fields lack the frame; ``t2_fields`` is empty. ``scalars`` holds one
number a trajectory for each parameter of the problem. Coordinates are fractions of the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from wavelit_plugin.data.records import Problem, Setup, Trajectories
from wavelit_plugin.data.writers.base import Source

AXES = "xyz"
"""Names of the space axes, in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredField:
    """One data set of a file.

    Args:
        name: its name.
        channels: which fields, or which constants, are its components.
        vector: whether it has an axis of components, as long as there are space axes.
        constant: whether it does not change in time.
    """

    name: str
    channels: tuple[int, ...]
    vector: bool = False
    constant: bool = False

    @property
    def group(self) -> str:
        """The group that it is in."""
        return "t1_fields" if self.vector else "t0_fields"

    def values(self, chunk: Trajectories) -> Float[Tensor, "batch *part _last"]:
        """Return the numbers of a chunk, components last, as they are stored."""
        # the host's precision, and that of the statistics
        held = (chunk.constants if self.constant else chunk.fields).float()
        axis = 1 if self.constant else 2
        if not self.vector:
            return held.select(axis, self.channels[0])
        index = torch.tensor(self.channels, device=held.device)
        return held.index_select(axis, index).movedim(axis, -1)


def stored_fields(problem: Problem) -> tuple[StoredField, ...]:
    """Return the data sets in the order in which the host makes channels of them.

    A group of fields is stored as a vector if it has one component for each space axis.
    """
    vectors = [vector for vector in problem.vectors if len(vector) == problem.ndim > 1]
    components = {name for vector in vectors for name in vector}
    scalars = [
        StoredField(name=name, channels=(index,))
        for index, name in enumerate(problem.fields)
        if name not in components
    ]
    constants = [
        StoredField(name=name, channels=(index,), constant=True)
        for index, name in enumerate(problem.constants)
    ]
    return (
        *scalars,
        *constants,
        *(
            StoredField(
                name=vector_name(vector, number),
                channels=tuple(problem.fields.index(name) for name in vector),
                vector=True,
            )
            for number, vector in enumerate(vectors)
        ),
    )


def vector_name(components: tuple[str, ...], number: int) -> str:
    """Return the name of a vector; the host names its components NAME_x, NAME_y, ...

    >>> vector_name(("velocity_x", "velocity_y"), 0)
    'velocity'
    """
    first, last = min(components), max(components)
    same = next((i for i, letter in enumerate(first) if last[i : i + 1] != letter), len(first))
    return first[:same].rstrip("_") or f"vector{number}"


def write_split(source: Source, split: str, path: Path) -> None:
    """Write the trajectories of a split to a new file."""
    import h5py

    problem, setup, count = source.problem, source.setup, source.counts[split]
    with h5py.File(path, "w") as file:
        file.attrs["dataset_name"] = problem.name
        file.attrs["grid_type"] = "cartesian"
        file.attrs["n_spatial_dims"] = problem.ndim
        file.attrs["n_trajectories"] = count
        file.attrs["simulation_parameters"] = _names(())
        _write_dimensions(file.create_group("dimensions"), problem, setup)
        _write_boundaries(file.create_group("boundary_conditions"), problem, setup)
        _make_scalars(file.create_group("scalars"), problem, count)
        _make_fields(file, problem, setup, count)
        _fill(file, problem, source.chunks(split))


def _write_dimensions(group: Any, problem: Problem, setup: Setup) -> None:
    axes = AXES[: problem.ndim]
    group.attrs["spatial_dims"] = _names(axes)
    times = np.arange(setup.frames) * setup.interval
    # the frames lie on the axis of time, so that in the host's words it varies in time
    _constant(group, "time", times, time_varying=True)
    centre = 0.0 if setup.boundary == "periodic" else 0.5
    for axis in axes:
        _constant(group, axis, (np.arange(setup.size) + centre) / setup.size)


def _write_boundaries(group: Any, problem: Problem, setup: Setup) -> None:
    """Write one condition for each axis, at both of its ends."""
    mask = np.zeros(setup.size, dtype=bool)
    mask[[0, -1]] = True
    for axis in AXES[: problem.ndim]:
        condition = group.create_group(f"{axis}_{setup.boundary}")
        condition.attrs["associated_dims"] = _names((axis,))
        condition.attrs["associated_fields"] = _names(())
        condition.attrs["bc_type"] = setup.boundary.upper()
        _mark(condition, sample=False, time=False)
        condition.create_dataset("mask", data=mask)
        condition.create_dataset("values", data=np.zeros(2, dtype=np.float32))


def _make_scalars(group: Any, problem: Problem, count: int) -> None:
    group.attrs["field_names"] = _names(problem.parameters)
    for name in problem.parameters:
        held = group.create_dataset(name, shape=(count,), dtype=np.float32)
        _mark(held, sample=True, time=False)


def _make_fields(file: Any, problem: Problem, setup: Setup, count: int) -> None:
    fields = stored_fields(problem)
    for name in ("t0_fields", "t1_fields", "t2_fields"):
        members = [field for field in fields if field.group == name]
        group = file.create_group(name)
        group.attrs["field_names"] = _names([field.name for field in members])
        for field in members:
            frames = () if field.constant else (setup.frames,)
            components = (problem.ndim,) if field.vector else ()
            shape = (count, *frames, *(setup.size,) * problem.ndim, *components)
            held = group.create_dataset(field.name, shape=shape, dtype=np.float32)
            held.attrs["dim_varying"] = np.ones(problem.ndim, dtype=bool)
            _mark(held, sample=True, time=not field.constant)


def _fill(file: Any, problem: Problem, chunks: Iterator[Trajectories]) -> None:
    start = 0
    for chunk in chunks:
        stop = start + len(chunk.fields)
        for field in stored_fields(problem):
            file[field.group][field.name][start:stop] = field.values(chunk).numpy()
        for index, name in enumerate(problem.parameters):
            file["scalars"][name][start:stop] = chunk.parameters[:, index].float().numpy()
        start = stop


def _constant(group: Any, name: str, values: NDArray[Any], *, time_varying: bool = False) -> None:
    held = group.create_dataset(name, data=values.astype(np.float32))
    _mark(held, sample=False, time=time_varying)


def _mark(held: Any, *, sample: bool, time: bool) -> None:
    held.attrs["sample_varying"], held.attrs["time_varying"] = sample, time


def _names(names: Iterable[str]) -> NDArray[np.object_]:
    """Return names as an attribute that is an array of strings, also where there are none."""
    import h5py

    return np.array(list(names), dtype=h5py.string_dtype())


def write_statistics(source: Source, path: Path) -> None:
    """Write the statistics of the training split that the host normalises by, in YAML.

    mean, std and rms of every field, over trajectories, frames and points, and mean_delta and the
    like of the change from frame to frame; a vector has one number a component. Standard
    deviations are divided by the count.
    """
    fields = stored_fields(source.problem)
    whole: dict[str, list[Tensor]] = {field.name: [] for field in fields}
    change: dict[str, list[Tensor]] = {field.name: [] for field in fields if not field.constant}
    for chunk in source.chunks("train"):
        for field in fields:
            values = field.values(chunk).double()
            whole[field.name].append(_moments(values, vector=field.vector))
            if not field.constant:
                change[field.name].append(_moments(values.diff(dim=1), vector=field.vector))
    statistics: dict[str, dict[str, object]] = {}
    for suffix, parts in (("", whole), ("_delta", change)):
        for name, moments in parts.items():
            for kind, number in _summary(torch.stack(moments).sum(dim=0)).items():
                statistics.setdefault(f"{kind}{suffix}", {})[name] = number
    path.write_text(yaml.safe_dump(statistics), encoding="utf-8")


def _moments(values: Tensor, *, vector: bool) -> Float[Tensor, " 3 *component"]:
    """Return count, sum and sum of squares, for each component of a vector."""
    kept = values.flatten(0, -2) if vector else values.flatten()
    count = torch.full_like(kept[0], float(len(kept)))
    return torch.stack([count, kept.sum(dim=0), kept.square().sum(dim=0)])


def _summary(moments: Float[Tensor, " 3 *component"]) -> dict[str, object]:
    count, total, squares = moments
    mean, square = total / count, squares / count
    std = (square - mean.square()).clamp_min(0.0).sqrt()
    return {"mean": mean.tolist(), "std": std.tolist(), "rms": square.sqrt().tolist()}
