"""Whether what an operator comes from is here, without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.versions import unsupported


def lacking(host: HostRecord, modules: Sequence[str], *, remedy: str) -> str | None:
    """Return in one line what has to be installed for a host's operators, or None.

    Args:
        host: its record; another version than it supports lacks too.
        modules: that have to be importable; of one inside a package, the package is imported.
        remedy: what to do where a module is absent.
    """
    absent = [name.partition(".")[0] for name in modules if not _is_here(name)]
    if absent:
        return f"no {', no '.join(absent)}; {remedy}"
    return unsupported(host) or None


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # no such package
        return False
