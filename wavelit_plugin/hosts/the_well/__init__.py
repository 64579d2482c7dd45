"""The Well 1.2."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.switches import CRITERION
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import ConfigFolder

if TYPE_CHECKING:
    from wavelit_plugin.plugins.checkpoints import Format
    from wavelit_plugin.plugins.datasets import Reader, Writer
    from wavelit_plugin.plugins.types import OperatorRecord

# its models and losses are classes that its configurations name: only what its Trainer does not
# tell them needs a registration
_record = partial(
    HostRecord,
    host="the_well",
    distribution="the_well",
    versions=">=1.2,<1.3",
    package="the_well",
    watched="the_well.benchmark.trainer.training",
)

HOSTS = (
    _record(adapter=f"{__name__}.training:register_targets"),
    _record(
        adapter=f"{__name__}.training:register_criterion",
        only_if=(CRITERION, "no criterion asked for"),
        training="Trainer.train",
    ),
)

_NAMES = {"WaveLiTModel": "model", "WaveletMetric": "model", "FiniteSamples": "samples"}


def __getattr__(name: str) -> object:  # what configurations name is loaded when it is asked for
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)


@hookimpl
def wavelit_hosts() -> list[HostRecord]:
    """What is registered with it, and when."""
    return list(HOSTS)


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """Its operators that take grid data."""
    from wavelit_plugin.hosts.the_well.operators import OPERATORS

    return list(OPERATORS)


@hookimpl
def wavelit_readers() -> list[Reader]:
    """One reader of its files."""
    from wavelit_plugin.hosts.the_well.reader import READER

    return [READER]


@hookimpl
def wavelit_writers() -> list[Writer]:
    """One writer into its files."""
    from wavelit_plugin.hosts.the_well.writer import WRITER

    return [WRITER]


@hookimpl
def wavelit_checkpoints() -> list[Format]:
    """What its trainer writes of our models."""
    from wavelit_plugin.hosts.the_well.checkpoint import FORMAT

    return [FORMAT]


@hookimpl
def wavelit_configs() -> list[ConfigFolder]:
    """Files that run in it as they are."""
    return [ConfigFolder(name="the_well", folder=Path(__file__).parent / "configs")]
