"""What a writer is given and what it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wavelit_plugin.data.records import Problem, Setup, Trajectories
from wavelit_plugin.errors import ConfigError


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
        splits: the parts of a data set, in the order of writing.
        layouts: names of the file layouts, the default first.
        check: raises ConfigError when a layout cannot hold a problem in a setup.
        check_folder: raises ConfigError or DataError when the host could not read files of these
            names from a folder, for a layout.
        files: names of the data files or folders that ``write`` makes for a layout, in that order.
        stem: beginning of all names of a layout, for the metadata file.
        describe: facts of a layout for the metadata file, such as the channels' names.
        write: writes the files into a folder; yields each name after it was written.
    """

    host: str
    splits: tuple[str, ...]
    layouts: tuple[str, ...]
    check: Callable[[Problem, Setup, str], None]
    check_folder: Callable[[Path, tuple[str, ...], str], None]
    files: Callable[[Problem, Setup, str], tuple[str, ...]]
    stem: Callable[[Problem, Setup, str], str]
    describe: Callable[[Problem, str], dict[str, object]]
    write: Callable[[Source, Path, str], Iterator[str]]

    def default_layout(self, problem: Problem, setup: Setup) -> str:
        """Return the first layout that can hold the problem; ConfigError when none can."""
        refusals = {layout: self._refusal(problem, setup, layout) for layout in self.layouts}
        for layout, refusal in refusals.items():
            if refusal is None:
                return layout
        raise ConfigError(
            f"no layout of {self.host} can hold {problem.name}: "
            f"{'; '.join(map(str, refusals.values()))}"
        )

    def _refusal(self, problem: Problem, setup: Setup, layout: str) -> ConfigError | None:
        try:
            self.check(problem, setup, layout)
        except ConfigError as error:
            return error
        return None


def any_folder(out: Path, names: tuple[str, ...], layout: str) -> None:
    """Accept every folder: for hosts that open files by their names."""
    del out, names, layout
