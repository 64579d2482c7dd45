"""The switches, which are environment variables, and what the way in says."""

from __future__ import annotations

import logging
import os
import sys

LOG = logging.getLogger("wavelit")

OFF = frozenset({"0", "false", "no", "off"})


def is_off(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is set to 0, false, no or off."""
    return _value(switch) in OFF


def is_on(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is set, and not to 0, false, no or off."""
    return _value(switch) not in {"", *OFF}


def named_in(switch: str, name: str) -> bool:
    """Say whether the comma-separated variable ``switch`` holds ``name``, in any case."""
    return name.lower() in {each.strip().lower() for each in os.environ.get(switch, "").split(",")}


def say(message: str) -> None:
    """Log a decision at level DEBUG; with WAVELIT_DEBUG write it to standard error as well."""
    LOG.debug("wavelit: %s", message)
    if is_on("WAVELIT_DEBUG"):
        sys.stderr.write(f"wavelit: {message}\n")


def complain(where: str, error: BaseException) -> None:
    """Log in one line an error that must not go further; with WAVELIT_STRICT raise it.

    What is no ``Exception``, such as SystemExit, is raised as an ImportError.
    """
    if is_on("WAVELIT_STRICT"):
        raise error if isinstance(error, Exception) else ImportError(one_line(error)) from error
    LOG.warning("wavelit: %s: %s", where, one_line(error))


def one_line(error: BaseException) -> str:
    """Return type and message of ``error`` without line breaks."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _value(switch: str) -> str:
    return os.environ.get(switch, "").strip().lower()
