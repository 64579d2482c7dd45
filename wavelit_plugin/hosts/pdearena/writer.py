"""Files for PDEArena's own data pipes, one layout for each of its tasks.

All numbers are float32. A pipe reads every file of a folder whose path has the name of its split
in it, so a data set needs a folder of its own, whose path has no such word.

- "navierstokes2d": ``{problem}_{split}_{size}.h5`` with the group ``{split}``: u, vx, vy
  (trajectory, frame, x, y), x, y, t, and buo_y (trajectory,) where the problem has it.
- "shallowwater2d": ``{split}.zarr`` with pres (trajectory, frame, y, x), u, v, vor (trajectory,
  frame, 1, y, x), and ``normstats.pt`` with the mean and std of pres and vor in training.
- "kuramotosivashinsky1d": ``{problem}_{split}_{size}.h5``: pde_{frames}-{size} (trajectory, frame,
  x), dt, dx and, where the problem has it, v (trajectory,).
- "maxwell3d": ``{problem}_{split}_{size}.h5``: d_field, h_field (trajectory, frame, x, y, z, 3).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from wavelit_plugin.data.periodic import wave_numbers
from wavelit_plugin.data.statistics import measure
from wavelit_plugin.errors import ConfigError, DataError, HostError, unknown_name
from wavelit_plugin.files import disk_errors, save_tensors
from wavelit_plugin.plugins.datasets import Problem, Setup, Source, Trajectories, Writer

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """What a layout holds and where.

    Args:
        tasks: PDEArena's names of what reads it.
        holds: says in words which problems fit.
        misfit: the reason why a problem in a setup does not fit, or None.
        mark: what a pipe looks for in a path; "{split}" stands for the split.
        file: name of a split's file or folder.
        packages: modules that writing needs.
        write: writes one split.
        extra: further file names, written by ``finish``.
        finish: writes them once all splits are there.
    """

    tasks: tuple[str, ...]
    holds: str
    misfit: Callable[[Problem, Setup], str | None]
    mark: str
    file: str
    packages: tuple[str, ...]
    write: Callable[[Source, str, Path], None]
    extra: tuple[str, ...] = ()
    finish: Callable[[Source, Path], None] | None = None


def _components(problem: Problem) -> str:
    sizes = ", ".join(str(len(vector)) for vector in problem.vectors)
    vectors = f"vectors of {sizes} components" if sizes else "no vectors"
    return (
        f"{problem.name} is {problem.ndim}-D with scalars {', '.join(problem.scalars) or 'none'}, "
        f"{vectors}, constants {', '.join(problem.constants) or 'none'} and "
        f"parameters {', '.join(problem.parameters) or 'none'}"
    )


def _shape(problem: Problem) -> tuple[int, int, tuple[int, ...]]:
    return problem.ndim, len(problem.scalars), tuple(len(vector) for vector in problem.vectors)


def _misfit_flow(problem: Problem, setup: Setup) -> str | None:
    del setup
    fits = _shape(problem) == (2, 1, (2,)) and problem.parameters in {(), ("buo_y",)}
    return None if fits else _components(problem)


def _misfit_shallow_water(problem: Problem, setup: Setup) -> str | None:
    fits = _shape(problem) == (2, 1, (2,)) and problem.scalars == ("pressure",)
    if not fits or problem.constants or problem.parameters:
        return _components(problem)
    if setup.boundary != "periodic":
        return f"the boundary is {setup.boundary!r}, and the vorticity is taken on periodic axes"
    if setup.frames < 13:
        return f"its pipes read frames 4, 12, 20, ..., and there are only {setup.frames} frames"
    return None


def _misfit_chaos(problem: Problem, setup: Setup) -> str | None:
    known = problem.parameters in {("dt", "dx"), ("dt", "dx", "v")}
    if _shape(problem) != (1, 1, ()) or problem.constants or not known:
        return _components(problem)
    if setup.frames < 8:
        return f"its pipe reads every fourth frame, and there are only {setup.frames} frames"
    return None


def _misfit_maxwell(problem: Problem, setup: Setup) -> str | None:
    del setup
    fits = _shape(problem) == (3, 0, (3, 3)) and not problem.parameters
    return None if fits else _components(problem)


Parts = Mapping[str, Tensor]
"""Data sets by name, the trajectory on axis 0."""


def write_flow(source: Source, split: str, path: Path) -> None:
    """Write u, vx, vy, the coordinates, and buo_y where the problem has it."""
    problem, setup = source.problem, source.setup
    names = (*problem.scalars, *problem.vectors[0])
    points = torch.arange(setup.size) / setup.size
    times = torch.arange(setup.frames) * setup.interval

    def parts(chunk: Trajectories) -> Parts:
        batch = len(chunk.fields)
        held = {
            name: field_of(problem, chunk, field)
            for name, field in zip(("u", "vx", "vy"), names, strict=True)
        }
        axes = {"t": times, "x": points, "y": points}
        held.update({name: axis.expand(batch, -1) for name, axis in axes.items()})
        return {**held, **_parameters(problem, chunk)}

    _fill(path, split, source.counts[split], (parts(chunk) for chunk in source.chunks(split)))


def write_chaos(source: Source, split: str, path: Path) -> None:
    """Write the field as pde_{frames}-{size}, and the parameters."""
    problem, setup = source.problem, source.setup
    name = f"pde_{setup.frames}-{setup.size}"
    parts = (
        {name: chunk.fields[:, :, 0], **_parameters(problem, chunk)}
        for chunk in source.chunks(split)
    )
    _fill(path, split, source.counts[split], parts)


def write_maxwell(source: Source, split: str, path: Path) -> None:
    """Write the two vectors with their components on the last axis."""
    problem = source.problem
    parts = (
        {
            name: torch.stack([field_of(problem, chunk, field) for field in vector], dim=-1)
            for name, vector in zip(("d_field", "h_field"), problem.vectors, strict=True)
        }
        for chunk in source.chunks(split)
    )
    _fill(path, split, source.counts[split], parts)


def field_of(
    problem: Problem, chunk: Trajectories, name: str
) -> Float[Tensor, "batch frame *space"]:
    """Return one field of all frames."""
    return chunk.fields[:, :, problem.fields.index(name)]


def _parameters(problem: Problem, chunk: Trajectories) -> Parts:
    return dict(zip(problem.parameters, chunk.parameters.unbind(dim=1), strict=True))


def _fill(path: Path, split: str, count: int, chunks: Iterator[Parts]) -> None:
    """Write data sets of ``count`` trajectories into the group ``split`` of a new file."""
    import h5py

    start = 0
    with h5py.File(path, "w") as file:
        group = file.create_group(split)
        for parts in chunks:
            stop = start
            for name, values in parts.items():
                shape = (count, *values.shape[1:])
                held = group.require_dataset(name, shape, dtype=np.float32, exact=True)
                stop = start + len(values)
                held[start:stop] = values.numpy().astype(np.float32)
            start = stop


NORMS = "normstats.pt"


def vorticity(
    velocity_x: Float[Tensor, "*batch x y"], velocity_y: Float[Tensor, "*batch x y"]
) -> Float[Tensor, "*batch x y"]:
    """Return d_x v_y - d_y v_x on the periodic square of edge 1, by Fourier series.

    >>> float(vorticity(torch.ones(8, 8), torch.ones(8, 8)).abs().max())
    0.0
    """
    size = velocity_x.shape[-1]
    k_x, k_y = (2j * torch.pi * k for k in wave_numbers(size, ndim=2))
    # the derivative of the highest wave of an even grid is not determined by its values
    odd = [(k.abs() * 2 < size).to(torch.float64) for k in wave_numbers(size, ndim=2)]
    spectrum_x, spectrum_y = (torch.fft.rfft2(v.double()) for v in (velocity_x, velocity_y))
    turn = k_x * odd[0] * spectrum_y - k_y * odd[1] * spectrum_x
    return torch.fft.irfft2(turn, s=(size, size)).to(velocity_x)


def write_split(source: Source, split: str, path: Path) -> None:
    """Write pres, u, v and vor of a split; u is the velocity along the last axis, x."""
    import xarray

    for number, chunk in enumerate(source.chunks(split)):
        pressure, velocity_x, velocity_y, spin = _parts(source, chunk)
        data = xarray.Dataset(
            {
                "pres": _variable(pressure),
                "u": _variable(velocity_x[:, :, None]),
                "v": _variable(velocity_y[:, :, None]),
                "vor": _variable(spin[:, :, None]),
            }
        )
        if number == 0:
            encoding = {name: {"chunks": (1, *held.shape[1:])} for name, held in data.items()}
            # format 2 is what every release of zarr reads
            data.to_zarr(path, mode="w", zarr_format=2, encoding=encoding)
        else:
            data.to_zarr(path, append_dim="b")


def write_norms(source: Source, folder: Path) -> None:
    """Write the mean and std of pres and vor over the training split."""
    statistics = measure(
        chunk._replace(fields=torch.stack([parts[0], parts[3]], dim=2))
        for chunk in source.chunks("train")
        for parts in [_parts(source, chunk)]
    )
    norms: dict[str, object] = {
        name: {
            "mean": torch.tensor(statistics.mean[index]),
            "std": torch.tensor(statistics.std[index]),
        }
        for index, name in enumerate(("pres", "vor"))
    }
    save_tensors(norms, folder / NORMS)


def _parts(
    source: Source, chunk: Trajectories
) -> tuple[
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
]:
    """Return pressure, both velocities and the vorticity."""
    problem = source.problem
    names = (*problem.scalars, *problem.vectors[0])
    pressure, velocity_x, velocity_y = (field_of(problem, chunk, name) for name in names)
    return pressure, velocity_x, velocity_y, vorticity(velocity_x, velocity_y)


def _variable(values: Tensor) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return names of the axes and values with x last, as on a globe: longitude after latitude."""
    axes = ("b", "t", "y", "x") if values.ndim == 4 else ("b", "t", "c", "y", "x")
    return axes, np.ascontiguousarray(values.transpose(-1, -2).numpy(), dtype=np.float32)


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "shallowwater2d": Layout(
            tasks=tuple(
                f"ShallowWater2D{kind}-{days}Day" for kind in ("Vel", "Vort") for days in (1, 2)
            ),
            holds="the scalar pressure and a vector of 2 components in 2-D, periodic, only",
            misfit=_misfit_shallow_water,
            mark="{split}.zarr",
            file="{split}.zarr",
            packages=("xarray", "zarr"),
            write=write_split,
            extra=(NORMS,),
            finish=write_norms,
        ),
        "navierstokes2d": Layout(
            tasks=("NavierStokes2D", "Cond-NavierStokes2D"),
            holds="one scalar and a vector of 2 components in 2-D, with no parameter or buo_y",
            misfit=_misfit_flow,
            mark="{split}",
            file="{problem}_{split}_{size}.h5",
            packages=("h5py",),
            write=write_flow,
        ),
        "kuramotosivashinsky1d": Layout(
            tasks=("KuramotoSivashinsky1D",),
            holds="one scalar in 1-D with parameters dt, dx and at most v",
            misfit=_misfit_chaos,
            mark="_{split}_",
            file="{problem}_{split}_{size}.h5",
            packages=("h5py",),
            write=write_chaos,
        ),
        "maxwell3d": Layout(
            tasks=("Maxwell3D",),
            holds="two vectors of 3 components in 3-D without parameters",
            misfit=_misfit_maxwell,
            mark="{split}",
            file="{problem}_{split}_{size}.h5",
            packages=("h5py",),
            write=write_maxwell,
        ),
    }
)
"""The layouts by name; a problem gets the first that fits, so the narrower come first."""


def check(problem: Problem, setup: Setup, layout: str) -> None:
    """Raise ConfigError when the layout is unknown or cannot hold the problem in this setup."""
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    reason = LAYOUTS[layout].misfit(problem, setup)
    if reason is not None:
        raise ConfigError(
            f"layout {layout!r} holds {LAYOUTS[layout].holds}; {reason}; use another layout or "
            f"problem"
        )


def files(problem: Problem, setup: Setup, layout: str) -> tuple[str, ...]:
    """Return the file names: train, valid, test, and what belongs to all of them."""
    record = LAYOUTS[layout]
    names = (
        record.file.format(problem=problem.name, split=split, size=setup.size) for split in SPLITS
    )
    return (*names, *record.extra)


def stem(problem: Problem, setup: Setup, layout: str) -> str:
    """Return the beginning of the metadata file's name; it has no split's name in it."""
    # folders without the problem's name in theirs are described once, whatever is in them
    return layout if LAYOUTS[layout].extra else f"{problem.name}_{setup.size}"


def describe(problem: Problem, layout: str) -> dict[str, object]:
    """Return which tasks read the layout, and which constants it has no place for."""
    return {
        "name": layout,
        "tasks": list(LAYOUTS[layout].tasks),
        "n_scalar_components": len(problem.scalars),
        "n_vector_components": len(problem.vectors),
        "not_stored": list(problem.constants),
    }


def check_folder(out: Path, names: tuple[str, ...], layout: str) -> None:
    """Raise unless the pipes would find each split's file in ``out``, and nothing else.

    Raises:
        ConfigError: the path has the name of a split in it, so that one pipe reads all files.
        DataError: the folder holds files that the pipes would read as part of this data set.
        HostError: a package that writing needs is missing.
    """
    record = LAYOUTS[layout]
    _check_packages(record, layout)
    marks = [record.mark.format(split=split) for split in SPLITS]
    folder = out.absolute()
    for name in names[: len(SPLITS)]:
        found = [mark for mark in marks if mark in str(folder / name)]
        if len(found) != 1:
            raise ConfigError(
                f"PDEArena takes any file whose path has {', '.join(map(repr, marks))} in it as "
                f"part of that split, and {folder / name} has {' and '.join(map(repr, found))}; "
                f"use a folder whose whole path has none of them"
            )
    read = _is_store if record.file.endswith(".zarr") else _is_hdf5
    strangers = [
        entry.name
        for entry in _held(folder)
        if read(entry) and entry.name not in names and any(mark in entry.name for mark in marks)
    ]
    if strangers:
        raise DataError(
            f"{out} holds {', '.join(sorted(strangers))}, which PDEArena would read as part of "
            f"this data set; use another folder"
        )


def _held(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _is_store(entry: Path) -> bool:
    return entry.suffix == ".zarr"


def _is_hdf5(entry: Path) -> bool:
    """Whether the pipes take it for one: "h5" anywhere in the path of a file will do."""
    return entry.is_file() and "h5" in str(entry)


def _check_packages(record: Layout, layout: str) -> None:
    missing = [name for name in record.packages if find_spec(name) is None]
    if missing:
        raise HostError(
            f"layout {layout!r} is written with {' and '.join(missing)}, not installed here; "
            f"pip install 'wavelit-plugin[pdearena]'"
        )


def write(source: Source, folder: Path, layout: str) -> Iterator[str]:
    """Write the files of a layout into ``folder`` and yield each name once it is there."""
    record = LAYOUTS[layout]
    names = files(source.problem, source.setup, layout)
    for split, name in zip(SPLITS, names, strict=False):
        with disk_errors(folder / name):
            record.write(source, split, folder / name)
        yield name
    if record.finish is not None:
        record.finish(source, folder)
    yield from record.extra


WRITER = Writer(
    name="pdearena",
    splits=SPLITS,
    layouts=tuple(LAYOUTS),
    check=check,
    check_folder=check_folder,
    files=files,
    stem=stem,
    describe=describe,
    write=write,
)
