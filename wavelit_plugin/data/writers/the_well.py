"""Data sets in The Well's format: one folder each, with the splits and the statistics.

``{layout}/data/{train,valid,test}/{problem}_{size}.hdf5`` and ``{layout}/stats.yaml``, float32.
The host opens a data set by its folder's name, and only if that is in its own list or "dummy": a
layout is such a name. Where the list has the same kind of physics, that name comes first, so that
the host's own configuration of the name fits; "dummy" takes any problem. The attribute
dataset_name of the files is the problem's own name.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from wavelit_plugin.data.records import Problem, Setup
from wavelit_plugin.data.writers import the_well_hdf5
from wavelit_plugin.data.writers.base import Source, Writer
from wavelit_plugin.errors import ConfigError, DataError, HostError, unknown_name
from wavelit_plugin.files import disk_errors
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
    fields = the_well_hdf5.stored_fields(problem)
    axes = the_well_hdf5.AXES[: problem.ndim]

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
            the_well_hdf5.write_split(source, split, place / name)
    with disk_errors(made):
        the_well_hdf5.write_statistics(source, made / "stats.yaml")
    yield layout


THE_WELL = Writer(
    host="the_well",
    splits=SPLITS,
    layouts=(*LAYOUTS, ANY),
    check=check,
    check_folder=check_folder,
    files=files,
    stem=stem,
    describe=describe,
    write=write,
)
