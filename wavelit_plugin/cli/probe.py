"""What a fresh process sees when it imports a host: run by ``diagnosis`` in a process of its own.

Run as a module with watched module names as arguments; prints one JSON object on the last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from wavelit_plugin.autoload.records import HostRecord, HostStatus
from wavelit_plugin.autoload.versions import installed_version


def probe(watched: Sequence[str]) -> dict[str, Any]:
    """Import the watched modules as a user would, before PyTorch, and say what came of it.

    Returns:
        ``called``: PyTorch called the entry point and it was on; ``errors``: why a module that
        is there could not be imported, by name; ``statuses``: the plugin's own report;
        ``criteria``: the names of all.
    """
    errors = {name: error for name in watched if (error := _import_error(name))}
    import torch  # noqa: F401  (its end calls the entry point, where no host has imported it)

    from wavelit_plugin.autoload import SENTRY

    called = SENTRY.relieved or SENTRY in sys.meta_path
    from wavelit_plugin.plugins import criteria, hosts, report

    told = {record.watched: record for record in hosts()}
    statuses = [{**asdict(status), **_versions(told, status)} for status in report()]
    names = [record.name for record in criteria()]
    return {"called": called, "errors": errors, "statuses": statuses, "criteria": names}


def _versions(told: Mapping[str, HostRecord], status: HostStatus) -> dict[str, str | None]:
    """Return what a plugin's hook says of its host, which its announcement could not hold."""
    if status.distribution or status.watched not in told:
        return {}
    record = told[status.watched]
    return {
        "distribution": record.distribution,
        "supported": record.versions,
        "installed": installed_version(record),
    }


def _import_error(name: str) -> str:
    if find_spec(name.partition(".")[0]) is None:
        return ""  # not installed, which the report says
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return ""  # another package of that name, without the host's module
        return _line(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a broken host raises is the finding
        return _line(error)
    return ""


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the working folder, where a user's file may have a host's name
    found = probe(sys.argv[1:])
    # after whatever the hosts print
    sys.stdout.write(f"\n{json.dumps(found)}\n")
