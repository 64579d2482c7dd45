"""The errors that this package raises on bad input, and the nearest-name hint they share."""

from collections.abc import Iterable
from difflib import get_close_matches


class WavelitError(Exception):
    """Base of every error that this package raises on purpose."""


class ShapeError(WavelitError, ValueError):
    """A tensor has the wrong number of axes, channels or points."""


class ConfigError(WavelitError, ValueError):
    """A configuration, a name or a value in it cannot be used."""


class DataError(WavelitError, ValueError):
    """Data or a file holds something that cannot be used, such as NaN or a truncated record."""


class HostError(WavelitError, ImportError):
    """A host is missing, broken or of an unsupported version."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ConfigError:
    """Return the error for a name that nobody knows, or no name at all, with the nearest known one.

    >>> str(unknown_name("wavelet", "harr", ["haar", "db2"]))
    "unknown wavelet 'harr'; did you mean 'haar'? Known: haar, db2"
    """
    names = list(known)
    by_lower = {candidate.lower(): candidate for candidate in names}
    near = get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    hint = f"; did you mean {by_lower[near[0]]!r}?" if near else ";"
    return ConfigError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}")
