"""What problems, readers, writers and the maker of data sets exchange, as records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.shapes import Field

DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "float64": torch.float64}
SMALLEST_SIZE = 16
MOST = 10**9
"""More of anything is a misprint."""


class Trajectories(NamedTuple):
    """Fields over time, and the constant fields and the parameters of the same trajectories."""

    fields: Float[Tensor, "batch frame field *space"]
    constants: Float[Tensor, "batch constant *space"]
    parameters: Float[Tensor, "batch parameter"]


def with_parameters(
    constants: Float[Tensor, "batch constant *space"], parameters: Float[Tensor, "batch parameter"]
) -> Float[Tensor, "batch channel *space"]:
    """Return the constants and then each parameter as a field of one value."""
    space = constants.shape[2:]
    uniform = parameters.reshape(*parameters.shape, *(1,) * len(space))
    return torch.cat([constants, uniform.expand(-1, -1, *space)], dim=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """How a problem is simulated; everything but the trajectory's own seed.

    Args:
        size: points per axis of the stored fields; even, at least SMALLEST_SIZE.
        frames: stored frames, the initial state included; at least 2, and 1 of what is steady.
        interval: time between two frames, in the problem's unit of time.
        boundary: name of the boundary condition.
        medium: name of the family that the constant fields or the initial states are drawn from.
        oversample: the simulation's grid is finer than the stored one by this factor.
        device: where to simulate; anything that ``torch.device`` takes.
        dtype: precision of the simulation, a key of DTYPES.

    Raises:
        ConfigError: a value is out of its range or the device cannot be used.
    """

    size: int
    frames: int
    interval: float
    boundary: str
    medium: str
    oversample: int = 2
    device: str = "cpu"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        check_at_least("size", self.size, SMALLEST_SIZE)
        if self.size % 2:
            raise ConfigError(
                f"size must be even, got {self.size}; use {self.size - 1} or {self.size + 1}"
            )
        check_at_least("frames", self.frames, 1)
        check_at_least("oversample", self.oversample, 1)
        if not isinstance(self.interval, int | float) or not 0.0 < self.interval < float("inf"):
            raise ConfigError(
                f"interval must be a positive time, got {self.interval!r}; leave it out for the "
                f"problem's own"
            )
        if self.dtype not in DTYPES:
            raise unknown_name("dtype", self.dtype, DTYPES)
        check_device(self.device, dtype=DTYPES[self.dtype])


Simulate = Callable[[Setup, Sequence[int]], Trajectories]
"""Simulate one trajectory per seed; trajectory i must depend on the setup and seed i only."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An equation that data can be made from.

    Args:
        name: the name on the command line and in file names.
        summary: one line for lists.
        fields: names of the fields that evolve, in the order of the field axis.
        constants: names of the constant fields, in order.
        units: unit of every field, constant and parameter.
        ndim: number of space axes.
        frames: default number of frames; 1 where nothing evolves, and the constants are what the
            fields follow from.
        interval: default time between two frames.
        boundaries: allowed boundary conditions, the default first.
        media: allowed families of constant fields or of initial states, the default first.
        simulate: the function that makes trajectories.
        parameters: names of the numbers that each trajectory has one of, in order.
        vectors: groups of fields that are the components of one vector, in the order of the
            space axes; all other fields are scalars.
    """

    name: str
    summary: str
    fields: tuple[str, ...]
    constants: tuple[str, ...]
    units: Mapping[str, str]
    ndim: int
    frames: int
    interval: float
    boundaries: tuple[str, ...]
    media: tuple[str, ...]
    simulate: Simulate
    parameters: tuple[str, ...] = ()
    vectors: tuple[tuple[str, ...], ...] = ()

    @property
    def steady(self) -> bool:
        """Whether nothing evolves."""
        return self.frames == 1

    def samples(self, setup: Setup) -> int:
        """Return the pairs of input and output of a trajectory."""
        return 1 if self.steady else setup.frames - 1

    @property
    def scalars(self) -> tuple[str, ...]:
        """The fields that are no component of a vector, in order."""
        components = {name for vector in self.vectors for name in vector}
        return tuple(name for name in self.fields if name not in components)


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
        files: what its files are called, for a message.
        names: called with a folder; the names of the data sets in it.
        read: called with a folder and one of these names.
    """

    name: str
    files: str
    names: Callable[[Path], tuple[str, ...]]
    read: Callable[[Path, str], GridData]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A finished simulation, read chunk by chunk.

    Args:
        problem: the problem.
        setup: how it was simulated.
        counts: trajectories per split.
        chunks: returns the chunks of a split in order, anew at every call.
    """

    problem: Problem
    setup: Setup
    counts: dict[str, int]
    chunks: Callable[[str], Iterator[Trajectories]]


def any_folder(out: Path, names: tuple[str, ...], layout: str) -> None:
    """Accept every folder: for hosts that open files by their names."""
    del out, names, layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """How the data of any problem become the files of one host.

    Args:
        name: the host's.
        splits: the parts of a data set, in the order of writing.
        layouts: names of the file layouts, the default first.
        check: raises ConfigError when a layout cannot hold a problem in a setup.
        files: names of the data files or folders that ``write`` makes for a layout, in that order.
        stem: beginning of all names of a layout, for the metadata file.
        describe: facts of a layout for the metadata file, such as the channels' names.
        write: writes the files into a folder; yields each name after it was written.
        check_folder: raises ConfigError or DataError when the host could not read files of these
            names from a folder, for a layout; by default
            none is refused.
    """

    name: str
    splits: tuple[str, ...]
    layouts: tuple[str, ...]
    check: Callable[[Problem, Setup, str], None]
    files: Callable[[Problem, Setup, str], tuple[str, ...]]
    stem: Callable[[Problem, Setup, str], str]
    describe: Callable[[Problem, str], dict[str, object]]
    write: Callable[[Source, Path, str], Iterator[str]]
    check_folder: Callable[[Path, tuple[str, ...], str], None] = any_folder

    def default_layout(self, problem: Problem, setup: Setup) -> str:
        """Return the first layout that can hold the problem; ConfigError when none can."""
        refusals = {layout: self._refusal(problem, setup, layout) for layout in self.layouts}
        for layout, refusal in refusals.items():
            if refusal is None:
                return layout
        raise ConfigError(
            f"no layout of {self.name} can hold {problem.name}: "
            f"{'; '.join(map(str, refusals.values()))}"
        )

    def _refusal(self, problem: Problem, setup: Setup, layout: str) -> ConfigError | None:
        try:
            self.check(problem, setup, layout)
        except ConfigError as error:
            return error
        return None


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise ConfigError unless ``value`` is an integer of at least ``least``, and no misprint."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be an integer of at least {least}, got {value!r}")
    if value > MOST:
        raise ConfigError(f"{name} must be at most {MOST}, got {value}")


def check_device(device: str, *, dtype: torch.dtype) -> None:
    """Raise ConfigError unless a number can be kept on ``device``."""
    try:
        float(torch.ones((), device=torch.device(device), dtype=dtype))
    # torch reports a back end that it was built without as an AssertionError or an ImportError,
    # and a precision that a back end lacks as a TypeError
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise ConfigError(f"device {device!r} cannot be used ({reason}); use 'cpu'") from error
