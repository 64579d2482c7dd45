"""What plugins provide, as records. Hosts are ``wavelit_plugin.autoload.records.HostRecord``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wavelit_plugin.autoload.records import HostRecord

if TYPE_CHECKING:  # a hook is also asked where nothing is to be computed
    from torch import Tensor, nn

__all__ = [
    "ConfigFolder",
    "CriterionRecord",
    "GridTask",
    "HostRecord",
    "ModelRecord",
    "OperatorRecord",
]


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A model that can be had by name.

    Attributes:
        name: what a config says.
        build: called with ``in_channels``, ``out_channels``, ``ndim`` and knobs by keyword; returns
            a module on (batch, channel, *space).
        summary: one line for a list.
    """

    name: str
    build: Callable[..., nn.Module]
    summary: str


@dataclass(frozen=True, kw_only=True)
class CriterionRecord:
    """A training criterion that can be had by name.

    Attributes:
        name: what a config or ``wavelit run --criterion`` says.
        build: called with options by keyword, ``reduction`` among them; returns a module
            ``(prediction, target) -> loss`` that stands alone.
        summary: one line for a list.
        term: the same, for what is added to a host's own loss; by default ``build``.
    """

    name: str
    build: Callable[..., nn.Module]
    summary: str
    term: Callable[..., nn.Module] | None = None


@dataclass(frozen=True, kw_only=True)
class GridTask:
    """What an operator has to learn: fields on a regular grid from fields on the same grid.

    Attributes:
        in_channels: channels of an input.
        out_channels: channels of an output.
        size: grid points along each axis.
        boundary: ``periodic`` or another name of ``wavelit_plugin.shapes.BOUNDARIES``, an axis.
        continues: True where the outputs are the first ``out_channels`` inputs a time step later,
            or their change until then.
        fields: names of the outputs.
    """

    in_channels: int
    out_channels: int
    size: tuple[int, ...]
    boundary: tuple[str, ...]
    continues: bool
    fields: tuple[str, ...]

    @property
    def ndim(self) -> int:
        """The space axes."""
        return len(self.size)


def nothing_missing() -> None:
    """Say that an operator needs nothing that might not be installed."""


def takes_every(_task: GridTask) -> None:
    """Say that an operator can do any task."""


def no_widths(_task: GridTask) -> tuple[int, ...]:
    """Say that an operator comes in one size."""
    return ()


@dataclass(frozen=True, kw_only=True)
class OperatorRecord:
    """An operator that ``wavelit compare`` can train.

    Nothing of what it comes from is imported before one of the functions is called. In a
    comparison they are called in the order ``missing``, ``takes``, ``build``, ``fit``.

    Attributes:
        name: what ``--operators`` says.
        summary: one line for a list.
        ecosystem: where it comes from: ``wavelit``, ``neuraloperator``, ``pdearena``,
            ``the_well``, ``baseline`` or a third party's own name.
        build: called with a task that it takes and a width, or None for its native size; returns a
            module that maps (batch, in_channels, *size) to (batch, out_channels, *size).
        widths: called with a task; the widths that may be asked for, ascending, among which one is
            sought that matches a number of parameters. None where the size is fixed.
        learning_rates: ascending, empty where it is not trained. Of an odd number the N about the
            middle are the grid of N, so the likely best should be in the middle.
        trains: False where there is nothing to train by gradients. It is then asked for states,
            also where the others are asked for changes.
        fit: called once before training with the built module and all training inputs and
            outputs, as in training; sets in closed form what gradients do not.
        missing: returns None where it can be built here, else the reason in one line.
        takes: called with a task; returns None where it can do it, else the reason in one line.
    """

    name: str
    summary: str
    ecosystem: str
    build: Callable[[GridTask, int | None], nn.Module]
    widths: Callable[[GridTask], Iterable[int]] = no_widths
    learning_rates: tuple[float, ...] = (5e-4, 2e-3, 8e-3)
    trains: bool = True
    fit: Callable[[nn.Module, Tensor, Tensor], None] | None = None
    missing: Callable[[], str | None] = nothing_missing
    takes: Callable[[GridTask], str | None] = takes_every


@dataclass(frozen=True, kw_only=True)
class ConfigFolder:
    """Files that run in a host as they are; ``wavelit config`` prints them.

    Attributes:
        name: the host's.
        folder: with the files, also in folders of its own; they say ``waveliT`` where a model of
            another size can stand.
    """

    name: str
    folder: Path
