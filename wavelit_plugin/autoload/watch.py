"""The watch: the finder that notices a host's import, and all the state there is.

A host's module is registered with when its import has ended, and there are four ways to learn of
that end:

* *import hook*: the module is imported while the watch is on; its loader is wrapped;
* *after half-built module*: the module was being imported when the watch came on, because the
  host imported PyTorch half-way; its spec is swapped, see ``when_built``;
* *already imported*: it was there, and complete;
* *next import (fallback)*: none of these worked (another finder took the import over, or the
  interpreter has no ``_initializing``); the next import of anything finds the module complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType

from wavelit_plugin.autoload import SENTRY, may_be_host, when_built
from wavelit_plugin.autoload.announcements import announced_records
from wavelit_plugin.autoload.entry import Entry, key
from wavelit_plugin.autoload.records import HostRecord, HostStatus, Path
from wavelit_plugin.autoload.switches import DISABLE, complain, is_worker, say, tell_misread


class Watch:
    """A meta-path finder, the registrations it knows, and whether it is on.

    Args:
        records: what is known from the start.
    """

    entries: list[Entry]
    _scanned: bool
    _heeded: bool  # the switches have been looked at
    _finding: set[str]  # names that the other finders are asked for
    _awaited: set[str]  # names whose end of import will be heard of

    def __init__(self, records: Iterable[HostRecord]) -> None:
        self._forget(records)

    @property
    def on(self) -> bool:
        """Whether it stands on ``sys.meta_path``."""
        return any(finder is self for finder in sys.meta_path)

    def start(self) -> None:
        """Take the sentry's place, and attend to the hosts that are there."""
        began = not self.on
        if began:
            SENTRY.relieved = True
            if SENTRY in sys.meta_path:  # in its place: importlib is walking the list
                sys.meta_path[sys.meta_path.index(SENTRY)] = self
            else:
                sys.meta_path.insert(0, self)
        if SENTRY.scanned:  # and found some
            self.scan()
        if began:
            say(f"watching {', '.join(sorted({entry.record.watched for entry in self.entries}))}")
        self._sweep("already imported")

    def activate(self) -> None:
        """Start, look for hosts now, and try again what is not applied."""
        self.scan()
        for entry in self.entries:
            entry.reconsider()
        self.start()

    def stop(self) -> None:
        """Undo every registration and leave ``sys.meta_path``, as the sentry does."""
        SENTRY.relieved = SENTRY.scanned = True
        sys.meta_path[:] = [
            each for each in sys.meta_path if each is not SENTRY and each is not self
        ]
        for entry in reversed(self.entries):
            entry.undo()

    def reset(self, records: Iterable[HostRecord] = ()) -> None:
        """Stop, and know nothing but ``records`` until it scans, as in a new process."""
        self.stop()
        self._forget(records)
        SENTRY.relieved = SENTRY.scanned = False

    def add(self, records: Iterable[HostRecord]) -> None:
        """Watch for ``records`` too.

        One with the module and the adapter of a known record replaces it until that is applied:
        a plugin's record says more than the entry point that announced it.
        """
        for record in records:
            known = self._known(record)
            if known is None:
                self.entries.append(Entry(record))
            elif known.pending:
                known.record = record
                known.reconsider()

    def scan(self) -> None:
        """Watch for the hosts that entry points announce; looked up once."""
        if not self._scanned:
            self._scanned = SENTRY.scanned = True
            # all at once: what a plugin imports is an occasion to register
            found = list(announced_records())
            self.add(record for record in found if not self._known(record))

    def report(self) -> tuple[HostStatus, ...]:
        """Return where every registration stands."""
        return tuple(entry.status() for entry in self.entries)

    def find_spec(
        self, name: str, path: Iterable[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a watched module, its loader wrapped; None for any other name."""
        if name in self._finding:
            return None
        try:
            self._attend(name)
        except Exception as error:  # noqa: BLE001  the import that is under way must go on
            complain("watching imports", error)
        if all(entry.record.watched != name for entry in self.entries):
            return None
        self._finding.add(name)
        try:
            spec = self._found_by_others(name, path, target)
        finally:
            self._finding.discard(name)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = WatchedLoader(spec.loader, self)  # type: ignore[assignment]  # a proxy
        return spec

    def execute(self, loader: Loader, module: ModuleType) -> None:
        """Let ``loader`` execute a watched module, and register with it."""
        name = module.__name__
        self._awaited.add(name)
        try:
            loader.exec_module(module)
        finally:
            self._awaited.discard(name)
        self.fire(name, "import hook")

    def fire(self, name: str, path: Path) -> None:
        """Register with the module ``name``, whose import has ended."""
        self._awaited.discard(name)
        module = sys.modules.get(name)
        if module is None:
            return  # its import failed
        self._heed_switches()
        for entry in [entry for entry in self.entries if entry.record.watched == name]:
            adapter = sys.modules.get(entry.record.adapter.partition(":")[0])
            if adapter is not None and half_built(adapter):  # it is what imports the host
                self._await(adapter, name, path)
            else:
                entry.apply(module, path)

    def _forget(self, records: Iterable[HostRecord]) -> None:
        self.entries = [Entry(record) for record in records]
        self._scanned = self._heeded = False
        self._finding = set()
        self._awaited = set()

    def _heed_switches(self) -> None:
        """Tell once, when a host is there, what of the switches nobody knows."""
        if self._heeded or is_worker():
            return
        self._heeded = True
        if DISABLE in os.environ:
            self.scan()  # it names hosts
        tell_misread(entry.record.host for entry in self.entries)

    def _known(self, record: HostRecord) -> Entry | None:
        return next((entry for entry in self.entries if key(entry.record) == key(record)), None)

    def _attend(self, name: str) -> None:
        """Use the import of ``name`` as an occasion to do what is due."""
        if not self._scanned and may_be_host(name):
            self.scan()
            self._sweep("already imported")
        self._sweep("next import (fallback)")

    def _sweep(self, path: Path) -> None:
        waiting = {entry.record.watched for entry in self.entries if entry.pending}
        for name in waiting - self._awaited:
            module = sys.modules.get(name)
            if module is not None:
                self._consider(name, module, path)

    def _consider(self, name: str, module: ModuleType, path: Path) -> None:
        """Register now, or at the end of whichever of the host and PyTorch is half-built."""
        torch = sys.modules.get("torch")  # adapters use it
        if half_built(module):
            self._await(module, name, "after half-built module")
        elif torch is not None and half_built(torch):
            self._await(torch, name, path)
        else:
            self.fire(name, path)

    def _await(self, module: ModuleType, name: str, path: Path) -> None:
        spec = module.__spec__
        if spec is not None and when_built(spec, partial(self.fire, name, path)):
            self._awaited.add(name)
            say(f"{name}: waiting for the end of {module.__name__}")

    def _found_by_others(
        self, name: str, path: Iterable[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        behind = False
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if behind and find else None
            if spec is not None:
                return spec
            behind = behind or finder is self
        return None


class WatchedLoader:
    """The loader of a watched module until it executes; a proxy of the real one."""

    def __init__(self, loader: Loader, watch: Watch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the real loader creates."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Step aside, execute the module, and register with it."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._watch.execute(self._loader, module)


def half_built(module: ModuleType) -> bool:
    """Say whether ``module`` is still being imported.

    By importlib's own mark; without one, by whether its body is on this thread's stack.
    """
    mark = getattr(getattr(module, "__spec__", None), "_initializing", None)
    if isinstance(mark, bool):
        return mark
    namespace = getattr(module, "__dict__", None)
    frame: FrameType | None = sys._getframe()  # noqa: SLF001  documented in the sys module
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is namespace:
            return True
        frame = frame.f_back
    return False


WATCH = Watch(())
"""The watch of this process."""
