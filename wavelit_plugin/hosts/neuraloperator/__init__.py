"""neuraloperator 2.x."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import ConfigFolder

if TYPE_CHECKING:
    from wavelit_plugin.plugins.checkpoints import Format
    from wavelit_plugin.plugins.datasets import Reader, Writer
    from wavelit_plugin.plugins.types import OperatorRecord


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
