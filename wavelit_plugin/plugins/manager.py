"""Plugins by entry point: loaded once, asked one by one, and skipped with a line when broken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, TypeVar

import pluggy

from wavelit_plugin.autoload.announcements import GROUP
from wavelit_plugin.autoload.switches import complain
from wavelit_plugin.errors import unknown_name
from wavelit_plugin.plugins import specs
from wavelit_plugin.plugins.types import (
    ConfigFolder,
    CriterionRecord,
    HostRecord,
    ModelRecord,
    OperatorRecord,
)

if TYPE_CHECKING:
    from wavelit_plugin.plugins.checkpoints import Format
    from wavelit_plugin.plugins.datasets import Reader, Writer

Record = TypeVar("Record")


class _Named(Protocol):
    @property
    def name(self) -> str: ...


NamedRecord = TypeVar("NamedRecord", bound=_Named)


@cache
def plugin_manager() -> pluggy.PluginManager:
    """Return the manager with this package's own plugin and those that entry points name.

    They are in the groups ``wavelit.hosts``, what is to be awaited = plugin, and ``wavelit``.
    """
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    manager.register(import_module("wavelit_plugin.plugins.builtin"), name="wavelit_plugin")
    announced = {entry.value: entry for entry in entry_points(group=GROUP)}
    # this package's own first
    for entry in sorted(announced.values(), key=lambda entry: not _is_ours(entry)):
        if ":" not in entry.value:  # else an adapter without a plugin
            _load(manager, entry.value, entry)
    for entry in entry_points(group=specs.PROJECT):
        _load(manager, entry.name, entry)
    return manager


def hosts() -> tuple[HostRecord, ...]:
    """Return the registrations of all plugins, one for each module of a host and adapter."""
    return tuple(_ask("wavelit_hosts", HostRecord))


def models() -> tuple[ModelRecord, ...]:
    """Return the models of all plugins, this package's first; of equal names the first stays."""
    return _by_name(_ask("wavelit_models", ModelRecord))


def criteria() -> tuple[CriterionRecord, ...]:
    """Return the criteria of all plugins, this package's first; of equal names the first stays."""
    return _by_name(_ask("wavelit_criteria", CriterionRecord))


def operators() -> tuple[OperatorRecord, ...]:
    """Return the operators of all plugins, this package's first; of equal names the first stays.

    A model is an operator too, unless an operator has its name.
    """
    from wavelit_plugin.plugins.wavelit_operators import model_operator

    known = {record.name: record for record in _by_name(_ask("wavelit_operators", OperatorRecord))}
    for plugin, model in _answers("wavelit_models", ModelRecord):
        known.setdefault(model.name, model_operator(model, plugin))
    return tuple(known.values())


def readers() -> tuple[Reader, ...]:
    """Return the readers of all plugins, in the order in which they are asked."""
    from wavelit_plugin.plugins.datasets import Reader

    return _by_name(_ask("wavelit_readers", Reader))


def writers() -> tuple[Writer, ...]:
    """Return the writers of all plugins, one a host."""
    from wavelit_plugin.plugins.datasets import Writer

    return _by_name(_ask("wavelit_writers", Writer))


def checkpoint_formats() -> tuple[Format, ...]:
    """Return the formats of checkpoints of all plugins, in the order in which they are asked."""
    from wavelit_plugin.plugins.checkpoints import Format

    return _by_name(_ask("wavelit_checkpoints", Format))


def find_criterion(name: str) -> CriterionRecord:
    """Return the criterion ``name`` of this package or of a plugin.

    Raises:
        ConfigError: nobody provides it; lists the known names with the nearest.
    """
    return _found("criterion", name, criteria())


def find_writer(host: str) -> Writer:
    """Return the writer into the files of ``host``; ConfigError with the nearest name otherwise."""
    return _found("host", host, writers())


def find_configs(host: str) -> ConfigFolder:
    """Return the configurations for ``host``; ConfigError with the nearest name otherwise."""
    return _found("host", host, _by_name(_ask("wavelit_configs", ConfigFolder)))


def _found(kind: str, name: str, records: tuple[NamedRecord, ...]) -> NamedRecord:
    known = {record.name: record for record in records}
    if name not in known:
        raise unknown_name(kind, name, known)
    return known[name]


def _is_ours(entry: EntryPoint) -> bool:
    return entry.value.startswith("wavelit_plugin.")


def _load(manager: pluggy.PluginManager, name: str, entry: EntryPoint) -> None:
    try:
        plugin = entry.load()
        if manager.is_registered(plugin):
            return
        manager.register(plugin, name=name)
        manager.check_pending()  # a misspelt hook is an error now, not silence later
    except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's plugin
        if manager.has_plugin(name):
            manager.unregister(name=name)
        complain(f"plugin {name} ({entry.value}) is skipped", error)


def _ask(hook: str, kind: type[Record]) -> Iterator[Record]:
    return (record for _plugin, record in _answers(hook, kind))


def _answers(hook: str, kind: type[Record]) -> Iterator[tuple[str, Record]]:
    """Call a hook plugin by plugin, so that one that fails hides no other; yield who said what."""
    # in the order of registration, ours first
    for implementation in getattr(plugin_manager().hook, hook).get_hookimpls():
        try:
            records = [_checked(record, kind) for record in implementation.function()]
        except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's plugin
            complain(f"{hook} of plugin {implementation.plugin_name} is skipped", error)
            continue
        yield from ((implementation.plugin_name, record) for record in records)


def _checked(record: object, kind: type[Record]) -> Record:
    if not isinstance(record, kind):
        raise TypeError(f"expected {kind.__name__} records, got {record!r}")
    return record


def _by_name(records: Iterator[NamedRecord]) -> tuple[NamedRecord, ...]:
    kept: dict[str, NamedRecord] = {}
    for record in records:
        if record.name in kept:
            taken = ValueError("the name is taken already; what is there stays")
            complain(f"record {record.name!r} of a plugin is skipped", taken)
        else:
            kept[record.name] = record
    return tuple(kept.values())
