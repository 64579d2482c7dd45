"""One registration: its record, and where it stands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import reduce
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any, NoReturn

from wavelit_plugin.autoload.records import (
    Adapter,
    HostRecord,
    HostStatus,
    Path,
    Refusal,
    Registration,
    State,
    wrap_method,
)
from wavelit_plugin.autoload.switches import (
    CRITERION,
    DISABLE,
    LOG,
    is_on,
    named_in,
    one_line,
    say,
)
from wavelit_plugin.autoload.versions import installed_version, unsupported


class RefusedError(ImportError):
    """Something is not registered, for a reason that is nobody's failure."""


class Entry:
    """One record and its state: applied at most once, until it is undone.

    Attributes:
        record: what is to be registered; another record may take its place while pending.
    """

    def __init__(self, record: HostRecord) -> None:
        self.record = record
        self._lock = Lock()
        self._done: list[Registration] = []
        self._state: State = "pending"
        self._reason = ""
        self._path: Path = ""
        self._busy = False
        self._off = False
        self._stranger: ModuleType | None = None
        self._unbar: Callable[[], object] | None = None
        self.reconsider()

    def __str__(self) -> str:
        return f"{self.record.host} ({self.record.watched})"

    @property
    def pending(self) -> bool:
        """Whether it still waits for the host."""
        return self._state == "pending" and not self._busy

    def reconsider(self) -> None:
        """Make a registration that was skipped, failed or undone pending again, if switched on."""
        if self._state == "applied":
            return
        reason = switched_off(self.record)
        self._off = bool(reason)
        if (self._state, self._reason) != ("skipped" if reason else "pending", reason):
            self._set("skipped" if reason else "pending", reason)

    def apply(self, module: ModuleType, path: Path) -> None:
        """Register with ``module``, its import being done, and remember the outcome.

        Raises:
            ImportError: with WAVELIT_STRICT, when something could not be registered.
        """
        if self.pending or self._off:
            self.reconsider()
        if module is self._stranger or not self._claim():
            return
        try:
            self._settle(module, path)
        except KeyboardInterrupt:
            self._undo_all()
            raise
        except BaseException as error:  # noqa: BLE001  a host outlives any adapter, sys.exit too
            problems = self._undo_all()
            self._give_up(error, problems, module)
        finally:
            self._busy = False

    def undo(self) -> None:
        """Take everything back, newest first; it stays off until it is reconsidered."""
        problems = self._undo_all()
        self._allow_training()
        self._off = False
        if problems:
            self._set("failed", f"could not be undone: {problems}")
            LOG.warning("wavelit: %s: %s", self, self._reason)
        elif self._state in {"pending", "applied"}:
            self._set("skipped", "deactivated")

    def status(self) -> HostStatus:
        """Return where it stands."""
        return HostStatus(
            host=self.record.host,
            distribution=self.record.distribution,
            installed=installed_version(self.record),
            supported=self.record.versions,
            watched=self.record.watched,
            names=self.names,
            state=self._state,
            reason=self._reason,
            path=self._path,
        )

    def _claim(self) -> bool:
        with self._lock:  # two threads may end two imports; the adapter runs outside the lock
            claimed = self.pending
            self._busy = self._busy or claimed
        return claimed

    def _settle(self, module: ModuleType, path: Path) -> None:
        self._allow_training()
        if any(name not in sys.modules for name in self.record.beside):
            self._leave(module)
            return
        problem = unsupported(self.record)
        if problem:
            raise RefusedError(problem)
        refused = self._collect(load_adapter(self.record.adapter)(module) or ())
        if not self._done and not refused:
            self._leave(module)
            return
        reason = "; ".join(f"{refusal.name}: {refusal.reason}" for refusal in refused)
        if refused and (is_on("WAVELIT_STRICT") or not self._done):
            raise RefusedError(reason)
        self._path = path
        self._set("applied", reason)
        if refused:
            LOG.warning("wavelit: %s: not all registered: %s", self, reason)

    def _leave(self, module: ModuleType) -> None:
        self._stranger = module
        say(f"{self}: another module of this name, left alone")

    def _collect(self, results: Iterable[Registration | Refusal]) -> list[Refusal]:
        """Note what the adapter registers, step by step; return what it refused."""
        refused = []
        for result in results:
            if isinstance(result, Registration):
                self._done.append(result)
            elif isinstance(result, Refusal):
                refused.append(result)
            else:
                raise TypeError(
                    f"an adapter yields Registration or Refusal records, got {result!r} from "
                    f"{self.record.adapter}"
                )
        return refused

    def _undo_all(self) -> str:
        problems = []
        while self._done:
            done = self._done.pop()
            try:
                done.undo()
            except Exception as error:  # noqa: BLE001  the others are still to be undone
                problems.append(f"{done.name}: {one_line(error)}")
        return "; ".join(problems)

    def _give_up(self, error: BaseException, problems: str, module: ModuleType) -> None:
        known = isinstance(error, RefusedError)
        reason = "; ".join(filter(None, (str(error) if known else one_line(error), problems)))
        self._set("skipped" if known else "failed", reason)
        self._bar_training(module, reason)
        if is_on("WAVELIT_STRICT"):
            raise ImportError(f"wavelit: {self}: {reason}") from error
        LOG.warning("wavelit: %s: not registered: %s", self, reason)

    def _bar_training(self, module: ModuleType, reason: str) -> None:
        """Let no training begin without the criterion that was asked for."""
        asked = os.environ.get(CRITERION)
        if asked and self.record.training:
            message = f"{CRITERION}={asked} cannot be had: {reason}; unset it to train without"
            with suppress(AttributeError):  # another version of the host
                self._unbar = bar(module, self.record.training, message)

    def _allow_training(self) -> None:
        if self._unbar is not None:
            self._unbar()
            self._unbar = None

    def _set(self, state: State, reason: str = "") -> None:
        self._state, self._reason = state, reason
        if state != "applied":
            self._path = ""
        say(f"{self}: {state}" + (f": {reason}" if reason else f" {list(self.names)}"))

    @property
    def names(self) -> tuple[str, ...]:
        """What is registered at present."""
        return tuple(done.name for done in self._done)


def key(record: HostRecord) -> tuple[str, str]:
    """Return what makes two records the same registration: module and adapter."""
    return record.watched, record.adapter


def switched_off(record: HostRecord) -> str:
    """Say which switch keeps the record from being applied; empty if none does."""
    if named_in(DISABLE, record.host):
        return f"switched off by {DISABLE}"
    if record.only_if and not os.environ.get(record.only_if[0]):
        return record.only_if[1]
    return ""


def load_adapter(address: str) -> Adapter:
    """Import and return the adapter at ``package.module:function``.

    Raises:
        ImportError: the address is malformed, or there is no such function.
    """
    module, _, attributes = address.partition(":")
    if not module or not attributes:
        raise ImportError(f"an adapter is written 'package.module:function', got {address!r}")
    adapter = reduce(getattr, attributes.split("."), import_module(module))
    if not callable(adapter):
        raise ImportError(  # noqa: TRY004  one error for every unusable address
            f"the adapter {address!r} must be a function, got {adapter!r}"
        )
    return adapter


def bar(module: ModuleType, address: str, message: str) -> Callable[[], object]:
    """Make calling the function at ``address`` in a module raise ConfigError; return the way back.

    Raises:
        AttributeError: there is no such function.
    """
    *owners, name = address.split(".")

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        from wavelit_plugin.errors import ConfigError

        raise ConfigError(message)

    owner = reduce(getattr, owners, module)
    return wrap_method(owner, name, lambda _original: refuse, name=address).undo
