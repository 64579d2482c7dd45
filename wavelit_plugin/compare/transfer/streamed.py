"""Pairs of The Well's files that are read when they are needed: for data beyond memory.

A window of a trajectory is shown to the house's reader as if it were a file, so channels, their
order, the checks and the errors are the reader's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from wavelit_plugin.data.readers import GridData, Pairs, check_finite, continued
from wavelit_plugin.errors import DataError
from wavelit_plugin.hosts.the_well.reader import Content, content_of, opened
from wavelit_plugin.model.monitor import SAMPLES
from wavelit_plugin.plugins.datasets import Trajectories, with_parameters

TESTED, FRAMES = 16, 31
"""Test trajectories at most, evenly spread over the split, and how many of their first frames."""

_SAMPLE_SEED = 0


class Window(NamedTuple):
    """Frames ``start`` to ``stop`` of one trajectory of a file."""

    trajectory: int
    start: int
    stop: int


class StreamedPairs:
    """The pairs of neighbouring frames of a split, by number, as ``read_grid_data`` orders them.

    Args:
        folder: of the data set.
        split: of it.

    Raises:
        HostError: h5py is not installed.
        DataError: a file is damaged or breaks the specification, or the split has no pair.
    """

    def __init__(self, folder: Path, split: str) -> None:
        place = folder / "data" / split
        self.paths = sorted([*place.glob("*.h5"), *place.glob("*.hdf5")])
        self.files = [opened(path) for path in self.paths]
        self.sizes = [_sizes(file, path) for file, path in zip(self.files, self.paths, strict=True)]
        self._ends = list(accumulate(count * (frames - 1) for count, frames in self.sizes))
        if not self._ends or not self._ends[-1]:
            raise DataError(f"{place} holds no pair of frames in HDF5 files; check the data set")

    def __len__(self) -> int:
        return self._ends[-1]

    @cached_property
    def first(self) -> Content:
        """The first frame of the first trajectory, which shows names and boundary."""
        return self.content(0, Window(0, 0, 1))

    @cached_property
    def varying(self) -> tuple[str, ...]:
        """Names of the numbers that differ between trajectories, in the file's order."""
        found = []
        for name in self.first.scalars:
            values = [torch.as_tensor(file["scalars"][name][()]).ravel() for file in self.files]
            if bool((torch.cat(values) != values[0][0]).any()):
                found.append(name)
        return tuple(found)

    def read(self, index: Int[Tensor, " batch"], varying: Sequence[str]) -> Pairs:
        """Return pairs by their numbers, on the CPU; ``varying`` are the numbers that are inputs.

        Raises:
            DataError: NaN or infinity in one of them; where is said.
        """
        places = [self.place(number) for number in index.tolist()]
        parts = [continued(self.trajectory(*place, varying)) for place in places]
        return Pairs(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def place(self, number: int) -> tuple[int, Window]:
        """Return the file, by number, and the two frames of a pair."""
        file = next(file for file, end in enumerate(self._ends) if number < end)
        inside = number - (self._ends[file - 1] if file else 0)
        trajectory, frame = divmod(inside, self.sizes[file][1] - 1)
        return file, Window(trajectory, frame, frame + 2)

    def tested(self) -> list[tuple[int, Window]]:
        """Return the first frames of trajectories that are spread over the split."""
        frames = min(FRAMES, *(frames for _, frames in self.sizes))
        every = [(file, t) for file, (count, _) in enumerate(self.sizes) for t in range(count)]
        chosen = torch.linspace(0, len(every) - 1, min(TESTED, len(every))).round().int().tolist()
        return [(every[i][0], Window(every[i][1], 0, frames)) for i in chosen]

    def trajectory(self, file: int, window: Window, varying: Sequence[str]) -> Trajectories:
        """Return the frames of a window, (1, frame, channel, *space)."""
        content = self.content(file, window)
        what = f"in trajectory {window.trajectory} from frame {window.start} on"
        for name, values in {**content.fields, **content.constants}.items():
            check_finite(values, f"{name} {what}", self.paths[file], "window")
        fields = torch.stack(list(content.fields.values()), dim=2)
        held = list(content.constants.values())
        numbers = [content.scalars[name] for name in varying]
        empty = fields.new_zeros(1, 0, *fields.shape[3:])
        return Trajectories(
            fields,
            torch.stack(held, dim=1) if held else empty,
            torch.stack(numbers, dim=1) if numbers else fields.new_zeros(1, 0),
        )

    def content(self, file: int, window: Window) -> Content:
        """Return what the reader makes of a window."""
        path = self.paths[file]
        try:
            return content_of(_ShownGroup(self.files[file], window), path)
        except OSError as error:
            raise DataError(f"{path} is damaged ({error}); copy it again") from error


def sample_of(folder: Path, train: StreamedPairs) -> GridData:
    """Return the data set as a sample of the training pairs and of the test trajectories show it.

    Raises:
        DataError: as StreamedPairs.
    """
    count = min(SAMPLES, len(train))
    generator = torch.Generator().manual_seed(_SAMPLE_SEED)
    index = torch.randperm(len(train), generator=generator)[:count]
    test = StreamedPairs(folder, "test")
    parts = [test.trajectory(*place, train.varying) for place in test.tested()]
    held = Trajectories(*(torch.cat(part) for part in zip(*parts, strict=True)))
    pairs = train.read(index, train.varying)
    return GridData(
        name=folder.name,
        fields=tuple(train.first.fields),
        constants=(*train.first.constants, *train.varying),
        parameters=train.varying,
        boundary=train.first.boundary,
        continues=True,
        train=pairs,
        valid=Pairs(*(part[:0] for part in pairs)),
        test=continued(held),
        trajectories=Trajectories(
            held.fields, with_parameters(held.constants, held.parameters), held.parameters[:, :0]
        ),
    )


def _sizes(file: Any, path: Path) -> tuple[int, int]:
    """Return the trajectories of a file and their frames."""
    try:
        return int(file.attrs["n_trajectories"]), int(file["dimensions"]["time"].shape[-1])
    except (KeyError, IndexError) as error:
        raise DataError(
            f"{path} breaks The Well's specification: it lacks n_trajectories or dimensions/time "
            f"({error}); make or copy it again"
        ) from error


class _ShownGroup:
    """A file or a group of which only a window is to be seen; all else is the group's own."""

    def __init__(self, part: Any, window: Window) -> None:
        self._part, self._window = part, window

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __contains__(self, name: str) -> bool:
        return name in self._part

    def __iter__(self) -> Iterator[str]:
        return iter(self._part)

    def __getitem__(self, name: str) -> _ShownGroup | _ShownData:
        part = self._part[name]
        return (_ShownData if hasattr(part, "shape") else _ShownGroup)(part, self._window)

    @property
    def attrs(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._part.attrs
        return {**found, "n_trajectories": 1} if self._part.name == "/" else found


class _ShownData:
    """A data set of which only a window is to be seen and read."""

    def __init__(self, part: Any, window: Window) -> None:
        self._part, self._window = part, window

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __getitem__(self, _everything: tuple[()]) -> Any:
        return self._part[self._select()]

    @property
    def shape(self) -> tuple[int, ...]:
        if self._part.name == "/dimensions/time":
            return (self._window.stop - self._window.start,)
        whole: tuple[int, ...] = self._part.shape
        cut = [len(range(n)[s]) for n, s in zip(whole, self._select(), strict=False)]
        return (*cut, *whole[len(cut) :])

    def _select(self) -> tuple[slice, ...]:
        window, attrs = self._window, self._part.attrs
        own = slice(window.trajectory, window.trajectory + 1)
        along = (("sample_varying", own), ("time_varying", slice(window.start, window.stop)))
        return tuple(part for name, part in along if attrs.get(name, False))
