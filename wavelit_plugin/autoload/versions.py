"""Which version of a host is here, and whether its adapter supports that."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from wavelit_plugin.autoload.records import HostRecord


def installed_version(record: HostRecord) -> str | None:
    """Return the host's version: that of the imported package, else of the distribution.

    None for a host that is neither, such as a checkout that says no version.
    """
    imported = getattr(_version_module(record.package), "__version__", None)
    return imported if isinstance(imported, str) else _distribution_version(record.distribution)


def unsupported(record: HostRecord) -> str:
    """Say what of the host is not supported here; empty if all is, or cannot be told.

    Raises:
        packaging.version.InvalidVersion: the host states a version that PEP 440 does not know.
        packaging.specifiers.InvalidSpecifier: the record's range is malformed.
    """
    name = record.distribution or record.host
    found = [(name, installed_version(record), record.versions)]
    found += [(other, _distribution_version(other), range_) for other, range_ in record.needs]
    return "; ".join(filter(None, (_mismatch(*facts) for facts in found)))


def _mismatch(name: str, found: str | None, supported: str) -> str:
    if not supported or found is None:
        return ""
    # not at the top: packaging takes some milliseconds, which only a host's import may cost
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(supported).contains(found, prereleases=True):
        return ""
    return (
        f"{name} {found} is here and {supported} is supported; install "
        f"'{name}{supported}', or another version of wavelit-plugin"
    )


def _distribution_version(name: str) -> str | None:
    try:
        return version(name) if name else None
    except PackageNotFoundError:
        return None


def _version_module(name: str) -> ModuleType | None:
    """Return the module if it is imported, or a part of a package that is."""
    parent = name.rpartition(".")[0]
    if parent in sys.modules and name not in sys.modules:
        with suppress(ImportError):
            import_module(name)
    return sys.modules.get(name)
