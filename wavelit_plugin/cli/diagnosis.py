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
from typing import Any

from wavelit_plugin.autoload.records import HostStatus

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
        entry_points: those of PyTorch's and our groups, as ``group: name = value``.
        switches: environment variables that are set.
        hosts: where every registration stands in a fresh process that imports the host.
    """

    versions: dict[str, str | None]
    autoload: str
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
    """Import the hosts in a process of their own, so that a broken one breaks only that."""
    from wavelit_plugin.plugins import report

    known = report()
    called, statuses = _in_fresh_process(known)
    names = ("wavelit-plugin", "torch", *dict.fromkeys(s.distribution for s in known))
    return Diagnosis(
        versions={"python": platform.python_version(), **{n: _version(n) for n in names if n}},
        autoload=_autoload(called=called),
        entry_points=tuple(_entry_points()),
        switches={name: os.environ[name] for name in _SWITCHES if name in os.environ},
        hosts=statuses,
    )


def _in_fresh_process(known: Sequence[HostStatus]) -> tuple[bool, tuple[HostStatus, ...]]:
    """Return whether PyTorch called the entry point, and the statuses after the imports."""
    watched = [status.watched for status in known]
    command = [sys.executable, "-m", "wavelit_plugin.cli.probe", *watched]
    try:
        done = subprocess.run(  # noqa: S603  (our own module)
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return False, _failed(known, f"importing the hosts took more than {_PATIENCE:.0f} s")
    try:
        found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2] or "no message"
        reason = f"the process that imports the hosts ended with code {done.returncode}: {last}"
        return False, _failed(known, reason)
    statuses = (HostStatus(**{**s, "names": tuple(s["names"])}) for s in found["statuses"])
    return found["called"], tuple(_with_import_error(s, found["errors"]) for s in statuses)


def _with_import_error(status: HostStatus, errors: dict[str, str]) -> HostStatus:
    """A host that cannot be imported has failed, whatever the plugin made of it."""
    error = errors.get(status.watched, "")
    if not error or status.state == "applied":
        return status
    return replace(status, state="failed", reason=f"importing {status.watched}: {error}")


def _failed(known: Iterable[HostStatus], reason: str) -> tuple[HostStatus, ...]:
    return tuple(
        replace(status, state="failed", reason=reason) if status.installed else status
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


def _entry_points() -> Iterable[str]:
    for group in _GROUPS:
        for entry in entry_points(group=group):
            yield f"{group}: {entry.name} = {entry.value}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
