"""The hooks that a plugin may implement; each returns records and registers nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from wavelit_plugin.plugins.checkpoints import Format
    from wavelit_plugin.plugins.datasets import Reader, Writer
    from wavelit_plugin.plugins.types import (
        ConfigFolder,
        CriterionRecord,
        HostRecord,
        ModelRecord,
        OperatorRecord,
    )

PROJECT = "wavelit"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def wavelit_hosts() -> list[HostRecord]:  # type: ignore[empty-body]
    """Return hosts to register with; also announce their modules in the group wavelit.hosts."""


@hookspec
def wavelit_models() -> list[ModelRecord]:  # type: ignore[empty-body]
    """Return models to offer by name."""


@hookspec
def wavelit_criteria() -> list[CriterionRecord]:  # type: ignore[empty-body]
    """Return training criteria to offer by name."""


@hookspec
def wavelit_operators() -> list[OperatorRecord]:  # type: ignore[empty-body]
    """Return operators that can be compared; import nothing that they come from."""


@hookspec
def wavelit_readers() -> list[Reader]:  # type: ignore[empty-body]
    """Return readers of training data on grids."""


@hookspec
def wavelit_writers() -> list[Writer]:  # type: ignore[empty-body]
    """Return writers into a host's files, one a host; each has the host's name."""


@hookspec
def wavelit_checkpoints() -> list[Format]:  # type: ignore[empty-body]
    """Return formats of checkpoints whose models ``wavelit evaluate`` rebuilds."""


@hookspec
def wavelit_configs() -> list[ConfigFolder]:  # type: ignore[empty-body]
    """Return the folder of ready configurations, one a host."""
