"""The switches, which are environment variables, and what the way in says."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

LOG = logging.getLogger("wavelit")

ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off")
CRITERION, DISABLE = "WAVELIT_CRITERION", "WAVELIT_DISABLE"
PYTORCHS = "TORCH_DEVICE_BACKEND_AUTOLOAD"

SWITCHES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "WAVELIT_AUTOLOAD": (*ON, *OFF),
        DISABLE: (),
        CRITERION: (),
        "WAVELIT_STRICT": (*ON, *OFF),
        "WAVELIT_DEBUG": (*ON, *OFF),
        PYTORCHS: ("1", "0"),
    }
)
"""Every environment variable that is read, and the values it may have; none where it names."""

# of this repository's tests
_TESTS = ("WAVELIT_CHECKOUTS", "WAVELIT_ENVIRONMENTS", "WAVELIT_REQUIRED_HOSTS")


def is_off(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is set to 0, false, no or off."""
    return _value(switch) in OFF


def is_on(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is set to 1, true, yes or on."""
    return _value(switch) in ON


def named_in(switch: str, name: str) -> bool:
    """Say whether the comma-separated variable ``switch`` holds ``name``, in any case."""
    return name.lower() in _names(switch)


def set_switches() -> dict[str, str]:
    """Return the variables that are set and are switches, or seem to be meant for one."""
    return {name: os.environ[name] for name in sorted(os.environ) if _is_meant_for_us(name)}


def misread(hosts: Iterable[str], criteria: Iterable[str] = ()) -> Iterator[str]:
    """Yield a line for each variable, value and name that nobody knows, with the nearest known.

    Args:
        hosts: that WAVELIT_DISABLE may name.
        criteria: that WAVELIT_CRITERION may name; it is not looked at where there are none.
    """
    given = set_switches()
    if not given:
        return  # without a further import
    from wavelit_plugin.errors import unknown_name

    for name, value in given.items():
        values = SWITCHES.get(name, ())
        if name not in SWITCHES:
            yield str(unknown_name("environment variable", name, SWITCHES))
        elif values and _value(name) not in {"", *values}:
            told = "PyTorch takes it for 0" if name == PYTORCHS else "it counts as not set"
            yield f"{unknown_name(f'value of {name}', value, values)}; {told}"
    known = list(dict.fromkeys(hosts))
    for name in sorted(_names(DISABLE).difference(host.lower() for host in known)):
        yield str(unknown_name(f"host in {DISABLE}", name, known))
    asked, criteria = os.environ.get(CRITERION), list(criteria)
    if asked and criteria and asked not in criteria:
        yield str(unknown_name(f"criterion in {CRITERION}", asked, criteria))


def tell_misread(hosts: Iterable[str]) -> None:
    """Log in one line what ``misread`` finds; with WAVELIT_STRICT raise it as an ImportError."""
    told = "; ".join(misread(hosts))
    if told and is_on("WAVELIT_STRICT"):
        raise ImportError(f"wavelit: {told}")
    if told:
        LOG.warning("wavelit: %s", told)


def is_worker() -> bool:
    """Say whether a process with the same switches started this one, and has told of them."""
    process = sys.modules.get("multiprocessing.process")  # a worker has it
    spawned = process is not None and process.parent_process() is not None
    return spawned or os.environ.get("LOCAL_RANK", "0") != "0"


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
    """Return type and message of ``error`` without line breaks; of our own the message alone."""
    text = " ".join(str(error).split())
    if text and type(error).__module__ == "wavelit_plugin.errors":
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _value(switch: str) -> str:
    return os.environ.get(switch, "").strip().lower()


def _names(switch: str) -> set[str]:
    return {name.strip() for name in _value(switch).split(",")} - {""}


def _is_meant_for_us(name: str) -> bool:
    """Say so of a switch, of any name with our prefix, and of what is nearly a switch's name."""
    upper = name.upper()
    if name in SWITCHES or not upper.startswith("WAV"):
        return name in SWITCHES
    if upper.startswith("WAVELIT_"):
        return name not in _TESTS
    from difflib import get_close_matches

    return bool(get_close_matches(upper, SWITCHES, n=1, cutoff=0.9))
