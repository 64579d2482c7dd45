"""Which version of a host is here, and whether its adapter supports that."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from wavelit_plugin.autoload.records import HostRecord


def installed_version(record: HostRecord) -> str | None:
    """Return the host's version: that of the imported package, else of the distribution.

    None for a host that is neither, such as a checkout that says no version.
    """
    imported = getattr(sys.modules.get(record.package), "__version__", None)
    if isinstance(imported, str):
        return imported
    try:
        return version(record.distribution) if record.distribution else None
    except PackageNotFoundError:
        return None


def unsupported(record: HostRecord) -> str:
    """Say why the host's version is not supported; empty if it is, or cannot be told.

    Raises:
        packaging.version.InvalidVersion: the host states a version that PEP 440 does not know.
        packaging.specifiers.InvalidSpecifier: the record's range is malformed.
    """
    found = installed_version(record)
    if not record.versions or found is None:
        return ""
    # not at the top: packaging takes some milliseconds, which only a host's import may cost
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(record.versions).contains(found, prereleases=True):
        return ""
    name = record.distribution or record.host
    return (
        f"{name} {found} is here and {record.versions} is supported; install "
        f"'{name}{record.versions}', or another version of wavelit-plugin"
    )
