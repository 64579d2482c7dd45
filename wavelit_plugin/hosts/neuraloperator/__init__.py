"""neuraloperator 2.x."""

from __future__ import annotations

from functools import partial
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


_record = partial(
    HostRecord,
    host="neuraloperator",
    distribution="neuraloperator",
    versions=">=2.0,<3",
    package="neuralop",
)

HOSTS = (
    _record(
        watched="neuralop.models.base_model",
        adapter=f"{__name__}.model:register_models",
    ),
    _record(
        watched="config.models",
        adapter=f"{__name__}.registration:register_configs",
        beside=("zencfg",),  # any project may call a module config.models
    ),
    _record(
        watched="neuralop.training.trainer",
        adapter=f"{__name__}.registration:register_criterion",
        only_if=(CRITERION, "no criterion asked for"),
        training="Trainer.train",
    ),
)


@hookimpl
def wavelit_hosts() -> list[HostRecord]:
    """What is registered with it, and when."""
    return list(HOSTS)


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """Its operators that take grid data."""
    from wavelit_plugin.hosts.neuraloperator.operators import OPERATORS

    return list(OPERATORS)


@hookimpl
def wavelit_readers() -> list[Reader]:
    """One reader of its files."""
    from wavelit_plugin.hosts.neuraloperator.reader import READER

    return [READER]


@hookimpl
def wavelit_writers() -> list[Writer]:
    """One writer into its files."""
    from wavelit_plugin.hosts.neuraloperator.writer import WRITER

    return [WRITER]


@hookimpl
def wavelit_checkpoints() -> list[Format]:
    """What its trainer writes of our models."""
    from wavelit_plugin.hosts.neuraloperator.checkpoint import FORMAT

    return [FORMAT]


@hookimpl
def wavelit_configs() -> list[ConfigFolder]:
    """Files that run in it as they are."""
    return [ConfigFolder(name="neuraloperator", folder=Path(__file__).parent / "configs")]
