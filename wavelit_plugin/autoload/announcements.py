"""The hosts that entry points announce, those of this package among them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.switches import complain

GROUP = "wavelit.hosts"


def announced_records() -> Iterator[HostRecord]:
    """Yield the records of all entry points in the group ``wavelit.hosts``.

    An entry's name is the module to watch. Its value is a module whose hook ``wavelit_hosts``
    returns the records, or ``package.module:function`` of an adapter: nothing of that is
    imported, and the host's name is the first part of the module's. What is broken or malformed
    is reported and left out.
    """
    watched: dict[str, set[str]] = {}
    for entry in entry_points(group=GROUP):
        module, colon, attribute = entry.value.partition("[")[0].replace(" ", "").partition(":")
        if not colon:
            watched.setdefault(module, set()).add(entry.name)
        elif module and attribute:
            yield HostRecord(
                host=entry.name.partition(".")[0],
                watched=entry.name,
                adapter=f"{module}:{attribute}",
            )
        else:
            problem = f"expected a module or module:function, got {entry.name} = {entry.value}"
            complain(f"entry point in the group {GROUP}", ImportError(problem))
    for plugin, names in watched.items():
        yield from _records(plugin, names)


def _records(plugin: str, names: set[str]) -> list[HostRecord]:
    try:
        records = list(import_module(plugin).wavelit_hosts())
        given = {record.watched for record in records}
        if given != names:
            raise ImportError(  # noqa: TRY301
                f"{', '.join(sorted(names))} announced in the group {GROUP}, and its records are "
                f"of {', '.join(sorted(given)) or 'none'}; name the same modules in both"
            )
    except (Exception, SystemExit) as error:  # noqa: BLE001  somebody else's plugin
        complain(f"the hosts of plugin {plugin} are skipped", error)
        return []
    return records
