"""Third-party hosts, as their entry points announce them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.switches import complain

GROUP = "wavelit.hosts"


def third_party_records() -> Iterator[HostRecord]:
    """Yield one record for each entry point in the group ``wavelit.hosts``.

    An entry's name is the module to watch and its value the adapter. Nothing is imported. The
    host's name is the module's first part. A malformed entry is reported and left out.
    """
    for entry in entry_points(group=GROUP):
        module, _, attribute = entry.value.partition("[")[0].strip().partition(":")
        if not module or not attribute or not entry.name:
            problem = f"expected module = package.module:function, got {entry.name} = {entry.value}"
            complain(f"entry point in the group {GROUP}", ImportError(problem))
            continue
        yield HostRecord(
            host=entry.name.partition(".")[0],
            watched=entry.name,
            adapter=f"{module.strip()}:{attribute.strip()}",
        )
