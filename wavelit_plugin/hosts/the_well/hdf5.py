"""Parts and attributes of The Well's files, or an error that says which one is missing or wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wavelit_plugin.errors import DataError


def broken(path: Path, what: str) -> DataError:
    """Return the error of a file that breaks the specification."""
    return DataError(f"{path} breaks The Well's specification: it {what}; make or copy it again")


def group(parent: Any, name: str, path: Path) -> Any:
    """Return a group of a file; DataError where there is none."""
    return _part(parent, name, path, kind="keys", called="group")


def data_set(parent: Any, name: str, path: Path) -> Any:
    """Return a data set of a group; DataError where there is none."""
    return _part(parent, name, path, kind="shape", called="data set")


def words(part: Any, name: str, path: Path) -> tuple[str, ...]:
    """Return an attribute that is a list of names."""
    values = np.atleast_1d(attribute(part, name, path))
    if values.size and values.dtype.kind not in "OSU":
        raise _not(part, name, "names", path)
    return tuple(value.decode() if isinstance(value, bytes) else str(value) for value in values)


def flags(part: Any, name: str, path: Path) -> tuple[bool, ...]:
    """Return an attribute that is a list of truth values."""
    values = np.atleast_1d(attribute(part, name, path))
    if values.size and values.dtype.kind not in "biuf":
        raise _not(part, name, "truth values", path)
    return tuple(map(bool, values))


def flag(part: Any, name: str, path: Path) -> bool:
    """Return an attribute that is one truth value."""
    found = flags(part, name, path)
    if len(found) != 1:
        raise _not(part, name, "one truth value", path)
    return found[0]


def count(part: Any, name: str, path: Path) -> int:
    """Return an attribute that is a whole number."""
    value = np.asarray(attribute(part, name, path))
    if value.size != 1 or value.dtype.kind not in "iu":
        raise _not(part, name, "a whole number", path)
    return int(value.item())


def attribute(part: Any, name: str, path: Path) -> Any:
    """Return an attribute; DataError where there is none."""
    if name not in part.attrs:
        raise broken(path, f"lacks the attribute {name} of {part.name}")
    return part.attrs[name]


def _part(parent: Any, name: str, path: Path, *, kind: str, called: str) -> Any:
    place = f"{parent.name.rstrip('/')}/{name}"
    if name not in parent:
        raise broken(path, f"lacks {place}")
    if not hasattr(parent[name], kind):
        raise broken(path, f"has {place} as something else than a {called}")
    return parent[name]


def _not(part: Any, name: str, wanted: str, path: Path) -> DataError:
    found = part.attrs[name]
    return broken(path, f"has {found!r} as the attribute {name} of {part.name}, not {wanted}")
