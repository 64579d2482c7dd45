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
from wavelit_plugin.autoload.switches import PYTORCHS, is_off, misread, set_switches
from wavelit_plugin.autoload.watch import WATCH

_GROUPS = ("torch.backends", "wavelit", "wavelit.hosts")
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
        misread: what of them nobody knows, a sentence each.
        hosts: where every registration stands in a fresh process that imports the host.
    """

    versions: dict[str, str | None]
    autoload: str
    half_built: str
    entry_points: tuple[str, ...]
    switches: dict[str, str]
    misread: tuple[str, ...]
    hosts: tuple[HostStatus, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing failed and every switch was understood."""
        return not self.misread and all(status.state != "failed" for status in self.hosts)

    def as_plain(self) -> dict[str, Any]:
        """Return plain types."""
        return {**asdict(self), "healthy": self.healthy}


def diagnose() -> Diagnosis:
    """Import every host that is here in a process of its own, so that it breaks only that."""
    WATCH.scan()
    known = WATCH.report()
    found = _examined(known)
    names = ("wavelit-plugin", "torch", *dict.fromkeys(s.distribution for s in known))
    return Diagnosis(
        versions={"python": platform.python_version(), **{n: _version(n) for n in names if n}},
        autoload=_autoload(called=found.called),
        half_built=_half_built(),
        entry_points=tuple(_entry_points()),
        switches=set_switches(),
        misread=tuple(misread((status.host for status in found.statuses), found.criteria)),
        hosts=found.statuses,
    )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What processes found.

    Attributes:
        called: whether PyTorch called the entry point.
        statuses: where every registration stands.
        criteria: the names of all; none where they cannot be told.
    """

    called: bool = False
    statuses: tuple[HostStatus, ...]
    criteria: tuple[str, ...] = ()


def _examined(known: Sequence[HostStatus]) -> _Found:
    """Return what is found in one process a host: what breaks one says nothing about another."""
    statuses: list[HostStatus] = []
    found = []
    for _, registrations in groupby(known, key=lambda status: status.host):
        of_host = tuple(registrations)
        if any(map(_is_here, of_host)):
            found.append(_in_fresh_process(of_host))
            of_host = found[-1].statuses
        statuses.extend(of_host)
    found = found or [_in_fresh_process(())]
    return _Found(
        called=any(one.called for one in found),
        statuses=tuple(statuses),
        criteria=max((one.criteria for one in found), key=len),
    )


def _is_here(status: HostStatus) -> bool:
    return find_spec(status.watched.partition(".")[0]) is not None


def _in_fresh_process(known: tuple[HostStatus, ...]) -> _Found:
    """Import one host, and return what came of it."""
    watched = [status.watched for status in known]
    command = [sys.executable, "-m", "wavelit_plugin.cli.probe", *watched]
    try:
        done = subprocess.run(  # noqa: S603  (our own module)
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return _failed(known, f"importing it took more than {_PATIENCE:.0f} s")
    except ValueError:
        last = done.stderr.strip().rpartition("\n")[2] or "no message"
        reason = f"the process that imports it ended with code {done.returncode}: {last}"
        return _failed(known, reason)
    plain = {(s["host"], s["watched"]): s for s in found["statuses"]}
    statuses = (_status(plain[old.host, old.watched], found["errors"]) for old in known)
    return _Found(
        called=found["called"], statuses=tuple(statuses), criteria=tuple(found["criteria"])
    )


def _status(plain: dict[str, Any], errors: dict[str, str]) -> HostStatus:
    """The status that a process reported; a host that cannot be imported has failed."""
    status = HostStatus(**{**plain, "names": tuple(plain["names"])})
    error = errors.get(status.watched, "")
    if not error or status.state == "applied":
        return status
    return replace(status, state="failed", reason=f"importing {status.watched}: {error}")


def _failed(known: Iterable[HostStatus], reason: str) -> _Found:
    return _Found(
        statuses=tuple(
            replace(status, state="failed", reason=reason) if _is_here(status) else status
            for status in known
        )
    )


def _autoload(*, called: bool) -> str:
    if called:
        return "on: importing torch registers with a host as soon as that is imported"
    otherwise = "use wavelit run SCRIPT, or wavelit_plugin.activate() in Python"
    off = {
        "WAVELIT_AUTOLOAD": is_off("WAVELIT_AUTOLOAD"),
        PYTORCHS: os.environ.get(PYTORCHS, "1") != "1",
    }
    for name in filter(off.get, off):
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
