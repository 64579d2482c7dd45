"""The data sets of a transfer matrix: their pairs, their units, and how a joint model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from wavelit_plugin.compare.grid_data import Target, Units, relative_change, units_of
from wavelit_plugin.compare.transfer.streamed import StreamedPairs, sample_of
from wavelit_plugin.data.readers import GridData, Pairs, read_grid_data
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.hosts.the_well.reader import READER as THE_WELL
from wavelit_plugin.model import ChannelLayout, JointWaveLiT, Member, WaveLiTConfig
from wavelit_plugin.model.monitor import SAMPLES
from wavelit_plugin.plugins import readers
from wavelit_plugin.plugins.wavelit_operators import heads_of
from wavelit_plugin.shapes import Field

_MEASURED = 8  # samples at once


@dataclass(frozen=True, kw_only=True)
class TransferDataset:
    """One data set.

    Attributes:
        data: its splits, on the CPU; a sample of them where it is streamed.
        units: of its fields; errors are divided by the deviation of what is hard to tell: of the
            change where that is the smaller quantity.
        target: what that is.
        count: training pairs.
        read: returns some of them by number.
        device: where to train.
    """

    data: GridData
    units: Units
    target: Target
    count: int
    read: Callable[[Tensor], Pairs]
    device: str

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.data.name

    def batch(self, index: Tensor) -> Pairs:
        """Return training pairs by number, on the device."""
        return Pairs(*(part.to(self.device) for part in self.read(index)))

    def loss(self, answer: Field, truth: Field) -> Tensor:
        """Return the mean squared error in units in which all data sets count alike."""
        return ((answer - truth) / self.units.y_std).square().mean()

    def member(self, preset: str, width: int | None) -> Member:
        """Return how a joint model of this size sees the data set."""
        layout = ChannelLayout(
            fields=len(self.data.fields),
            constants=len(self.data.constants),
            names=self.data.fields,
        )
        sizes = {} if width is None else {"width": width, "heads": heads_of(width)}
        config = WaveLiTConfig.preset(
            preset,
            in_channels=layout.in_channels,
            out_channels=layout.out_channels,
            ndim=len(self.data.size),
            boundary=self.data.boundary,
            layout=layout,
            **sizes,
        )
        return Member(config=config, constants=self.data.constants)

    def measure(self, joint: JointWaveLiT) -> None:
        """Let a joint model measure its statistics on training pairs spread over the data set."""
        step = max(1, len(self.data.train.x) // SAMPLES)
        pairs = (part[::step].split(_MEASURED) for part in self.data.train)
        joint.fit_statistics(self.name, zip(*pairs, strict=True))


def read_datasets(
    paths: Sequence[Path], device: str, *, stream: bool = False
) -> tuple[TransferDataset, ...]:
    """Read all data sets in these folders.

    Args:
        paths: folders of one or several data sets, or ``FOLDER/NAME``.
        device: where to train.
        stream: read batches from The Well's files instead of keeping the data in memory.

    Raises:
        ConfigError: less than two, two of one name, static ones, or of several dimensions; or
            data of another format than The Well's are to be streamed.
        DataError: a folder or a file that cannot be read.
    """
    places = [place for path in paths for place in _places(path)]
    found = [_streamed(place, device) if stream else _in_memory(place, device) for place in places]
    _check_together([one.data for one in found])
    return tuple(found)


def as_dataset(
    data: GridData, device: str, *, count: int, read: Callable[[Tensor], Pairs]
) -> TransferDataset:
    """Measure the units of a data set."""
    change = relative_change(data) if data.continues else None
    target: Target = "change" if change is not None and change < 1 else "state"
    units = units_of(data, target, device)
    return TransferDataset(
        data=data, units=units, target=target, count=count, read=read, device=device
    )


def held(data: GridData, device: str) -> TransferDataset:
    """Return a data set whose pairs are kept on the device."""
    kept = Pairs(*(part.to(device) for part in data.train))

    def read(index: Tensor) -> Pairs:
        return Pairs(*(part.index_select(0, index.to(device)) for part in kept))

    return as_dataset(data, device, count=len(kept.x), read=read)


def _in_memory(place: Path, device: str) -> TransferDataset:
    return held(read_grid_data(place), device)


def _streamed(place: Path, device: str) -> TransferDataset:
    if place.name not in THE_WELL.names(place if place.is_dir() else place.parent):
        raise ConfigError(
            f"{place} is no data set of The Well's format, and others cannot be streamed; leave "
            "--stream out"
        )
    train = StreamedPairs(place, "train")
    return as_dataset(
        sample_of(place, train),
        device,
        count=len(train),
        read=lambda index: train.read(index, train.varying),
    )


def _places(path: Path) -> tuple[Path, ...]:
    """Return the data sets of a folder, one by one; the folder where it holds less than two."""
    names = [name for r in readers() for name in r.names(path)] if path.is_dir() else []
    if names == [path.name] or not names:
        return (path,)
    return tuple(path / name for name in names)


def _check_together(found: Sequence[GridData]) -> None:
    names = [data.name for data in found]
    if len(found) < 2:
        raise ConfigError(f"a transfer matrix needs at least two data sets, got {names}; add one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"several data sets are called {', '.join(twice)}; rename the folder of one"
        )
    for data in found:
        if not data.continues:
            raise ConfigError(f"{data.name} is static: its output continues no input; leave it out")
        if len(data.size) != len(found[0].size):
            raise ConfigError(
                f"all data sets of a joint model have the same number of axes, but {data.name} "
                f"has {len(data.size)} and {found[0].name} {len(found[0].size)}; leave one out"
            )
