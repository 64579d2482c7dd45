"""PDEArena 0.2."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import ConfigFolder

if TYPE_CHECKING:
    from wavelit_plugin.plugins.checkpoints import Format
    from wavelit_plugin.plugins.datasets import Reader, Writer
    from wavelit_plugin.plugins.types import OperatorRecord

_record = partial(
    HostRecord,
    host="pdearena",
    distribution="pdearena",
    versions=">=0.2,<0.3",
    package="pdearena.version",
    # its shipped files need 1.7, its epoch-end hooks less than 2
    needs=(("pytorch-lightning", ">=1.7,<2"),),
)

HOSTS = (
    _record(
        watched="pdearena.models.registry",
        adapter=f"{__name__}.model:register_models",
    ),
    _record(
        watched="pdearena.models.pdemodel",
        adapter=f"{__name__}.training:register_training",
        training="PDEModel.__init__",
    ),
    _record(
        watched="pdearena.models.cond_pdemodel",
        adapter=f"{__name__}.training:register_training",
        training="CondPDEModel.__init__",
    ),
)

_NAMES = ("ConditionedWaveLiTFields", "WaveLiTFields")


def __getattr__(name: str) -> object:  # what configurations name is loaded when it is asked for
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.model"), name)


@hookimpl
def wavelit_hosts() -> list[HostRecord]:
    """What is registered with it, and when."""
    return list(HOSTS)


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """Its operators that take grid data."""
    from wavelit_plugin.hosts.pdearena.operators import OPERATORS

    return list(OPERATORS)


@hookimpl
def wavelit_readers() -> list[Reader]:
    """One reader of its files."""
    from wavelit_plugin.hosts.pdearena.reader import READER

    return [READER]


@hookimpl
def wavelit_writers() -> list[Writer]:
    """One writer into its files."""
    from wavelit_plugin.hosts.pdearena.writer import WRITER

    return [WRITER]


@hookimpl
def wavelit_checkpoints() -> list[Format]:
    """What its trainer writes of our models."""
    from wavelit_plugin.hosts.pdearena.checkpoint import FORMAT

    return [FORMAT]


@hookimpl
def wavelit_configs() -> list[ConfigFolder]:
    """Files that run in it as they are."""
    return [ConfigFolder(name="pdearena", folder=Path(__file__).parent / "configs")]
