"""What is installed, and what a fresh process makes of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from itertools import groupby
from typing import Any

from wavelit_plugin.autoload.records import HostStatus
from wavelit_plugin.autoload.watch import WATCH

_GROUPS = ("torch.backends", "wavelit", "wavelit.hosts")
_SWITCHES = (
    "TORCH_DEVICE_BACKEND_AUTOLOAD",
    "WAVELIT_AUTOLOAD",
    "WAVELIT_CRITERION",
    "WAVELIT_DEBUG",
    "WAVELIT_DISABLE",
    "WAVELIT_STRICT",
)
_PATIENCE = 300.0  # seconds that importing the hosts may take


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What ``wavelit doctor`` found.

    Attributes:
        versions: of Python and of the packages concerned; None where missing.
        autoload: how the plugin gets into a process, in one sentence.
        half_built: whether the end of an import that is under way can be told, in one sentence.
        entry_points: those of PyTorch's and our groups, as ``group: name = value``.
        switches: environment variables that are set.
        hosts: where every registration stands in a fresh process that imports the host.
    """

    versions: dict[str, str | None]
    autoload: str
    half_built: str
    entry_points: tuple[str, ...]
    switches: dict[str, str]
    hosts: tuple[HostStatus, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed."""
        return all(status.state != "failed" for status in self.hosts)

    def as_plain(self) -> dict[str, Any]:
        """Return plain types."""
        return {**asdict(self), "healthy": self.healthy}


def diagnose() -> Diagnosis:
    """Import every host that is here in a process of its own, so that it breaks only that."""
    WATCH.scan()
    known = WATCH.report()
    called, statuses = _examined(known)
    names = ("wavelit-plugin", "torch", *dict.fromkeys(s.distribution for s in known))
    return Diagnosis(
        versions={"python": platform.python_version(), **{n: _version(n) for n in names if n}},
        autoload=_autoload(called=called),
        half_built=_half_built(),
        entry_points=tuple(_entry_points()),
        switches={name: os.environ[name] for name in _SWITCHES if name in os.environ},
        hosts=statuses,
    )


def _examined(known: Sequence[HostStatus]) -> tuple[bool, tuple[HostStatus, ...]]:
    """Return whether PyTorch calls the entry point, and where every registration stands.

    One process a host: what breaks one says nothing about another.
    """
    called: list[bool] = []
    statuses: list[HostStatus] = []
    for _, registrations in groupby(known, key=lambda status: status.host):
        of_host = tuple(registrations)
        if any(map(_is_here, of_host)):
            was_called, of_host = _in_fresh_process(of_host)
            called.append(was_called)
        statuses.extend(of_host)
    return any(called) if called else _in_fresh_process(())[0], tuple(statuses)


def _is_here(status: HostStatus) -> bool:
    return find_spec(status.watched.partition(".")[0]) is not None


def _in_fresh_process(known: tuple[HostStatus, ...]) -> tuple[bool, tuple[HostStatus, ...]]:
    """Import one host, and return whether the entry point was called and the new statuses."""
    watched = [status.watched for status in known]
    command = [sys.executable, "-m", "wavelit_plugin.cli.probe", *watched]
    try:
        done = subprocess.run(  # noqa: S603  (our own module)
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return False, _failed(known, f"importing it took more than {_PATIENCE:.0f} s")
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2] or "no message"
        reason = f"the process that imports it ended with code {done.returncode}: {last}"
        return False, _failed(known, reason)
    plain = {(s["host"], s["watched"]): s for s in found["statuses"]}
    statuses = (_status(plain[old.host, old.watched], found["errors"]) for old in known)
    return found["called"], tuple(statuses)


def _status(plain: dict[str, Any], errors: dict[str, str]) -> HostStatus:
    """The status that a process reported; a host that cannot be imported has failed."""
    status = HostStatus(**{**plain, "names": tuple(plain["names"])})
    error = errors.get(status.watched, "")
    if not error or status.state == "applied":
        return status
    return replace(status, state="failed", reason=f"importing {status.watched}: {error}")


def _failed(known: Iterable[HostStatus], reason: str) -> tuple[HostStatus, ...]:
    return tuple(
        replace(status, state="failed", reason=reason) if _is_here(status) else status
        for status in known
    )


def _autoload(*, called: bool) -> str:
    if called:
        return "on: importing torch registers with a host as soon as that is imported"
    otherwise = "use wavelit run SCRIPT, or wavelit_plugin.activate() in Python"
    for name in ("WAVELIT_AUTOLOAD", "TORCH_DEVICE_BACKEND_AUTOLOAD"):
        if os.environ.get(name, "1") != "1":
            return f"off: {name} is {os.environ[name]!r}; {otherwise}"
    return f"off: PyTorch did not call the entry point; {otherwise}"


def _half_built() -> str:
    # the mark that importlib leaves on the spec of any module that it has imported
    if hasattr(json.__spec__, "_initializing"):
        return "a host that imports torch half-way is registered with when its own import ends"
    return "a host that imports torch half-way is registered with at the import after that"


def _entry_points() -> Iterable[str]:
    for group in _GROUPS:
        for entry in entry_points(group=group):
            yield f"{group}: {entry.name} = {entry.value}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
