"""The way in: what PyTorch calls at the end of ``import torch`` in every new process.

PyTorch (2.5 and later) loads and calls each entry point of the group ``torch.backends``. Ours,
``autoload``, puts a sentry on ``sys.meta_path`` and returns. The sentry finds nothing itself; it
wakes the watch (``wavelit_plugin.autoload.watch``) when an import concerns a host.

This module runs inside everybody's ``import torch``: it imports nothing that PyTorch has not
imported already, makes no class but the sentry's, and never raises unless WAVELIT_STRICT is set.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any

    from wavelit_plugin.autoload.watch import Watch

WATCHED = ("config.models", "neuralop.models.base_model", "neuralop.training.trainer")
"""The modules of the built-in hosts: those that ``records.BUILTIN`` names, as a test checks."""

GROUP = "wavelit.hosts"
"""Entry-point group of third-party hosts: the watched module, and the adapter as value."""


def autoload() -> None:
    """Post the sentry; the entry point in the group ``torch.backends``.

    Raises:
        Exception: only with WAVELIT_STRICT, whatever went wrong. Otherwise it is logged, since
            PyTorch makes a failing ``import torch`` of any exception.
    """
    try:
        if not is_off("WAVELIT_AUTOLOAD"):
            SENTRY.post()
    except (Exception, SystemExit) as error:  # noqa: BLE001  ours must not break import torch
        complain("autoload", error)


def is_off(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is 0, false, no or off."""
    return os.environ.get(switch, "").strip().lower() in {"0", "false", "no", "off"}


def is_on(switch: str) -> bool:
    """Say whether the environment variable ``switch`` is set, and not to 0, false, no or off."""
    return bool(os.environ.get(switch, "").strip()) and not is_off(switch)


def complain(where: str, error: BaseException) -> None:
    """Log ``error`` in one line, or raise it again with WAVELIT_STRICT."""
    if is_on("WAVELIT_STRICT"):
        raise error
    import logging

    text = " ".join(str(error).split())
    logging.getLogger("wavelit").warning("wavelit: %s: %s: %s", where, type(error).__name__, text)


class Sentry:
    """Finder that finds nothing: it wakes the watch when an import concerns a host.

    Attributes:
        scanned: the third-party hosts have been looked for.
        relieved: the watch has taken over, or was stopped; the sentry is not posted again.
    """

    scanned = False
    relieved = False

    def post(self) -> None:
        """Start looking at every import; at once if a host's module is there already."""
        if self.relieved or self in sys.meta_path:
            return
        sys.meta_path.insert(0, self)
        if any(name in sys.modules for name in WATCHED):
            wake()
        importer = importing()
        if importer is not None:
            when_built(importer, self.scan)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return None, unless ``name`` is watched: then what the watch finds."""
        if name not in WATCHED:
            if self.scanned or not may_be_host(name):
                return None
            self.scan()
            if not self.relieved:
                return None
        watch = wake()
        return watch.find_spec(name, path, target) if watch else None

    def scan(self) -> None:
        """Look for third-party hosts, once; wake the watch if there are any.

        It takes about 2.5 ms, so it waits until PyTorch is imported: for the first import after
        that, or for the end of the module that imported PyTorch, whichever comes first.
        """
        if self.scanned:
            return
        self.scanned = True
        try:
            from importlib.metadata import entry_points

            if entry_points(group=GROUP):
                watch = wake()
                watch.scan() if watch else None
        except Exception as error:  # noqa: BLE001  somebody's damaged metadata is not the user's import
            complain("looking for hosts", error)


SENTRY = Sentry()


def wake() -> Watch | None:
    """Start the watch in the sentry's place and return it; None, with a line, if it fails."""
    try:
        from wavelit_plugin.autoload.watch import WATCH

        WATCH.start()
    except Exception as error:  # noqa: BLE001  the host's import must go on
        complain("starting the watch", error)
        return None
    return WATCH


def may_be_host(name: str) -> bool:
    """Say whether importing ``name`` is a moment to look for third-party hosts."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in {"torch", "wavelit_plugin"}:
        return False
    torch = sys.modules.get("torch")
    return not getattr(getattr(torch, "__spec__", None), "_initializing", False)


def importing() -> ModuleSpec | None:
    """Return the spec of the module that is importing PyTorch; a script has none."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  inspect.currentframe would be an import more
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            top = frame.f_globals.get("__name__", "").partition(".")[0]
            spec = frame.f_globals.get("__spec__")
            if spec is not None and top not in {"torch", "wavelit_plugin"}:
                return spec
        frame = frame.f_back
    return None


def when_built(spec: ModuleSpec, call: Callable[[], object]) -> bool:
    """Call ``call`` when importlib is done with the module of ``spec``.

    importlib sets ``spec._initializing`` to False when it leaves the module, imported or failed.
    The spec's class is swapped for one that notices, and is restored before the call.

    Returns:
        False if nothing was arranged: the module is not being imported, or this interpreter
        does it in another way.
    """
    if getattr(spec, "_initializing", None) is not True:
        return False
    kind = type(spec)

    def finish(self: Any, value: bool) -> None:
        if value:
            return
        self.__class__ = kind
        self._initializing = value  # another call that waits for this module hears it here
        call()

    try:
        spec.__class__ = type(
            "AwaitedSpec", (kind,), {"_initializing": property(lambda _: True, finish)}
        )
    except TypeError:
        return False
    return True
