"""The way into the hosts: registers with a host when it has been imported, and undoes it.

PyTorch (2.5 and later) loads and calls each entry point of the group ``torch.backends`` at the
end of ``import torch``, in every new process. Ours, ``autoload``, posts a sentry on
``sys.meta_path`` and returns. The sentry wakes the watch (``watch.py``) when an import concerns a
host; the watch keeps one ``Entry`` for each ``HostRecord``. In a process that never imports a
host, nothing else of this package is imported.

This module runs inside everybody's ``import torch``. It imports nothing that PyTorch has not
imported already, and it is short, docstrings included, since each kilobyte of bytecode costs some
10 microseconds there.
"""

import os
import sys

TYPE_CHECKING = False  # as from typing, without an import
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any

    from wavelit_plugin.autoload.watch import Watch

WATCHED = ("config.models", "neuralop.models.base_model", "neuralop.training.trainer")
INNER = ("torch", "wavelit_plugin")
OFF = ("0", "false", "no", "off")


def autoload() -> None:
    """Post the sentry; the entry point in the group ``torch.backends``."""
    try:  # PyTorch would make a failing ``import torch`` of any exception
        if os.environ.get("WAVELIT_AUTOLOAD", "").strip().lower() not in OFF:
            SENTRY.post()
    except Exception as error:  # noqa: BLE001  (raised again with WAVELIT_STRICT)
        from wavelit_plugin.autoload.switches import complain

        complain("autoload", error)


class Sentry:
    """Finder that finds nothing: it wakes the watch when an import concerns a host."""

    scanned = False  # third-party hosts have been looked for
    relieved = False  # the watch took over, or was stopped: not to be posted again

    def post(self) -> None:
        """Look at every import from now on, and at once if a host is there already."""
        if self.relieved or self in sys.meta_path:
            return
        sys.meta_path.insert(0, self)
        for name in WATCHED:
            if name in sys.modules:
                self.wake(known=True)
                break
        # Third-party hosts are looked for at the next import, for it takes some 2.5 ms. There may
        # be none before the module that imports PyTorch ends, so its end is an occasion too.
        frame: FrameType | None = sys._getframe()  # noqa: SLF001  (inspect is not imported yet)
        while frame:
            spec = frame.f_globals.get("__spec__")
            body = frame.f_code.co_name == "<module>"
            if spec and body and spec.name.partition(".")[0] not in INNER:
                when_built(spec, self.wake)
                return
            frame = frame.f_back

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return None, unless the watch is due: then what that finds."""
        if name in WATCHED:
            watch = self.wake(known=True)
        elif self.scanned or not may_be_host(name):
            return None
        else:
            watch = self.wake()
        return watch.find_spec(name, path, target) if watch else None

    def wake(self, *, known: bool = False) -> "Watch | None":
        """Return the watch, in the sentry's place, if a host is known or a third party has one."""
        try:
            if not known:
                if self.scanned:
                    return None
                self.scanned = True
                from importlib.metadata import entry_points

                if not entry_points(group="wavelit.hosts"):
                    return None
            from wavelit_plugin.autoload.watch import WATCH

            WATCH.start()
        except Exception as error:  # noqa: BLE001  (the user's import goes on)
            from wavelit_plugin.autoload.switches import complain

            complain("watching for hosts", error)
            return None
        return WATCH


SENTRY = Sentry()


def may_be_host(name: str) -> bool:
    """Say whether importing ``name`` is an occasion to look for third-party hosts."""
    top = name.partition(".")[0]
    if top in INNER or top in sys.stdlib_module_names:
        return False
    torch = sys.modules.get("torch")  # or what somebody put in its place
    return getattr(getattr(torch, "__spec__", None), "_initializing", False) is not True


def when_built(spec: "ModuleSpec", call: "Callable[[], object]") -> bool:
    """Call ``call`` when importlib is done with the module of ``spec``; False if it cannot be."""
    # importlib sets _initializing to False then; a property in a class of its own notices
    if getattr(spec, "_initializing", None) is not True:
        return False
    kind = type(spec)

    def finish(self: "Any", value: bool) -> None:
        self.__class__ = kind
        self._initializing = value  # whoever else waits for this module hears it here
        call()

    # until then it reads as True, which bool of a spec is
    awaited = type("AwaitedSpec", (kind,), {"_initializing": property(bool, finish)})
    try:
        spec.__class__ = awaited
    except TypeError:
        return False
    return True
