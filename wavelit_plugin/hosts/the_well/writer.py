"""Data sets in The Well's format: one folder each, with the splits and the statistics.

``{layout}/data/{train,valid,test}/{problem}_{size}.hdf5`` and ``{layout}/stats.yaml``, float32.
The host opens a data set by its folder's name, and only if that is in its own list or "dummy": a
layout is such a name. Where the list has the same kind of physics, that name comes first, so that
the host's own configuration of the name fits; "dummy" takes any problem. The attribute
dataset_name of the files is the problem's own name.

Groups: ``t0_fields`` holds scalar fields (trajectory, frame, *space), ``t1_fields`` vectors
(..., component), constant fields lack the frame; ``t2_fields`` is empty. ``scalars`` holds one
number a trajectory for each parameter of the problem. Coordinates are fractions of the edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from wavelit_plugin.errors import ConfigError, DataError, HostError, unknown_name
from wavelit_plugin.files import disk_errors
from wavelit_plugin.plugins.datasets import Problem, Setup, Source, Trajectories, Writer
from wavelit_plugin.shapes import BOUNDARIES

SPLITS = ("train", "valid", "test")
ANY = "dummy"

LAYOUTS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "acoustic_scattering_maze": ("acoustics", ("maze",)),
        "acoustic_scattering_inclusions": ("acoustics", ("inclusions",)),
        "acoustic_scattering_discontinuous": ("acoustics", ("layers",)),
        "helmholtz_staircase": ("helmholtz", ("staircase",)),
        "gray_scott_reaction_diffusion": ("gray-scott", ()),
        "planetswe": ("shallow-water", ()),
        "rayleigh_benard": ("buoyant-flow", ()),
        "shear_flow": ("kolmogorov", ()),
    }
)
"""The problem, and its media where not all are meant, by the host's name for such physics."""


def check(problem: Problem, setup: Setup, layout: str) -> None:
    """Raise ConfigError when the layout is unknown or cannot hold the problem in this setup."""
    if layout not in (*LAYOUTS, ANY):
        raise unknown_name("layout", layout, (*LAYOUTS, ANY))
    if problem.steady:
        raise ConfigError(
            f"The Well trains on steps in time, and {problem.name} is steady; write it for "
            "neuraloperator"
        )
    if setup.boundary not in BOUNDARIES:
        raise ConfigError(
            f"The Well knows the boundaries {', '.join(BOUNDARIES)}, got {setup.boundary!r}; use "
            f"another"
        )
    name, media = LAYOUTS.get(layout, (problem.name, ()))
    if problem.name != name or (media and setup.medium not in media):
        kind = f"{name} of medium {' or '.join(media)}" if media else name
        raise ConfigError(
            f"layout {layout!r} holds {kind}, got {problem.name} of medium {setup.medium}; use "
            f"layout {ANY!r}"
        )


def files(problem: Problem, setup: Setup, layout: str) -> tuple[str, ...]:
    """Return the name of the data set's folder."""
    del problem, setup
    return (layout,)


def stem(problem: Problem, setup: Setup, layout: str) -> str:
    """Return the beginning of the metadata file's name."""
    del problem, setup
    return layout


def describe(problem: Problem, layout: str) -> dict[str, object]:
    """Return the names in the files, and the order of the channels in the host's batches."""
    fields = stored_fields(problem)
    axes = AXES[: problem.ndim]

    def channels(*, constant: bool) -> list[str]:
        return [
            f"{field.name}_{axis}" if axis else field.name
            for field in fields
            if field.constant == constant
            for axis in (axes if field.vector else ("",))
        ]

    return {
        "well_dataset_name": layout,
        "dataset_name": problem.name,
        "fields": channels(constant=False),
        "constant_fields": channels(constant=True),
        "scalars": list(problem.parameters),
    }


def check_folder(out: Path, names: tuple[str, ...], layout: str) -> None:
    """Raise unless the data set's folder is new, or was made here.

    Raises:
        DataError: there is a folder of that name with something else in it.
        HostError: a package that writing needs is missing.
    """
    del names
    if find_spec("h5py") is None:
        raise HostError(
            "The Well's files are written with h5py, not installed here; pip install "
            "'wavelit-plugin[the-well]'"
        )
    folder = out / layout
    # a run that was stopped while it moved its files has not moved the metadata yet
    ours = (out / f"{layout}.json").is_file() or any(out.glob(".wavelit-*/publishing"))
    strangers = _strangers(folder) if ours else ["what was not made here"]
    if folder.exists() and strangers:
        raise DataError(
            f"{folder} holds {', '.join(strangers)}; use another folder, or move it away"
        )


def _strangers(folder: Path) -> list[str]:
    """Return the files that no data set of ours has: replacing the folder would lose them."""
    known = ("stats.yaml", *(f"data/{split}/*.hdf5" for split in SPLITS))
    held = {path for path in folder.rglob("*") if path.is_file()}
    held.difference_update(path for pattern in known for path in folder.glob(pattern))
    return sorted(path.relative_to(folder).as_posix() for path in held)


def write(source: Source, folder: Path, layout: str) -> Iterator[str]:
    """Write the data set's folder into ``folder`` and yield its name once it is there."""
    made = folder / layout
    for split in SPLITS:
        place = made / "data" / split
        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            name = f"{source.problem.name}_{source.setup.size}.hdf5"
            write_split(source, split, place / name)
    with disk_errors(made):
        write_statistics(source, made / "stats.yaml")
    yield layout


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


WRITER = Writer(
    name="the_well",
    splits=SPLITS,
    layouts=(*LAYOUTS, ANY),
    check=check,
    check_folder=check_folder,
    files=files,
    stem=stem,
    describe=describe,
    write=write,
)
