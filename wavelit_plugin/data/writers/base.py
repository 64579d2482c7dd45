"""What a writer is given and what it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wavelit_plugin.data.records import Problem, Setup, Trajectories


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Writer:
    """How the data of any problem become the files of one host.

    Args:
        host: the host's name.
        layouts: names of the file layouts, the default first.
        check: raises ConfigError when a layout cannot hold a problem in a setup.
        files: names of the data files that ``write`` makes for a layout, in that order.
        stem: beginning of all names of a layout, for the metadata file.
        describe: facts of a layout for the metadata file, such as the channels' names.
        write: writes the files into a folder; yields each name after it was written.
    """

    host: str
    layouts: tuple[str, ...]
    check: Callable[[Problem, Setup, str], None]
    files: Callable[[Problem, Setup, str], tuple[str, ...]]
    stem: Callable[[Problem, Setup, str], str]
    describe: Callable[[Problem, str], dict[str, object]]
    write: Callable[[Source, Path, str], Iterator[str]]
