"""Plugins, and the switch that makes hosts know this package: on, off, and what it did."""

from __future__ import annotations

from wavelit_plugin.autoload.records import HostStatus
from wavelit_plugin.autoload.watch import WATCH
from wavelit_plugin.plugins.manager import (
    checkpoint_formats,
    criteria,
    find_configs,
    find_criterion,
    find_writer,
    hosts,
    models,
    operators,
    readers,
    writers,
)
from wavelit_plugin.plugins.specs import hookimpl

__all__ = [
    "activate",
    "checkpoint_formats",
    "criteria",
    "deactivate",
    "find_configs",
    "find_criterion",
    "find_writer",
    "hookimpl",
    "hosts",
    "models",
    "operators",
    "readers",
    "report",
    "writers",
]


def activate() -> None:
    """Register with every host, now where it is imported and later when it will be.

    PyTorch's autoload does this in every process; call it where that is switched off, or after
    ``deactivate``. Calling it again is harmless.

    Raises:
        ImportError: with WAVELIT_STRICT, when something could not be registered.
    """
    WATCH.add(hosts())
    WATCH.activate()


def deactivate() -> None:
    """Take back everything that was registered, and watch no longer. Harmless when off."""
    WATCH.stop()


def report() -> tuple[HostStatus, ...]:
    """Return where every registration stands: pending, applied, skipped or failed, and why."""
    WATCH.scan()
    return WATCH.report()
