"""WaveLiT, a small wavelet neural PDE solver, for the trainers people already use."""
# This module is loaded in everybody's ``import torch``, where a class costs some 20 microseconds
# and each string, such as a name, about one: so docstrings and annotations are comments.

import os
import sys

if 0:  # for the type checker: Python leaves this out
    from typing import Any  # noqa: F401  (in comments)

    from wavelit_plugin.loss import WaveletLoss as WaveletLoss
    from wavelit_plugin.model import WaveLiT as WaveLiT
    from wavelit_plugin.model import WaveLiTConfig as WaveLiTConfig
    from wavelit_plugin.plugins import activate as activate
    from wavelit_plugin.plugins import deactivate as deactivate
    from wavelit_plugin.plugins import report as report
    from wavelit_plugin.wavelets import dwt as dwt
    from wavelit_plugin.wavelets import idwt as idwt

__version__ = "0.1.0"

# Importing this package imports nothing else: a public name is loaded when it is first used.
_PUBLIC = {
    "WaveLiT": "wavelit_plugin.model",
    "WaveLiTConfig": "wavelit_plugin.model",
    "WaveletLoss": "wavelit_plugin.loss",
    "dwt": "wavelit_plugin.wavelets",
    "idwt": "wavelit_plugin.wavelets",
    "activate": "wavelit_plugin.plugins",
    "deactivate": "wavelit_plugin.plugins",
    "report": "wavelit_plugin.plugins",
}
__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604  (the keys are the names)


def __getattr__(name):  # type: (str) -> object  # PEP 562
    if name not in _PUBLIC:
        raise AttributeError(f"module 'wavelit_plugin' has no attribute {name!r}")
    return getattr(__import__(_PUBLIC[name], None, None, [name]), name)


def __dir__():  # type: () -> list[str]
    return sorted(__all__)


# The rest is the sentry, a finder on sys.meta_path that finds nothing: it wakes the watch, see
# autoload/watch.py, when an import concerns a host. It is in this module because loading a second
# one costs some 100 microseconds, and it is this module, as a finder need not be a class.

INNER = ("torch", "wavelit_plugin")
SENTRY = sys.modules[__name__]  # type: Any

scanned = False  # the entry points have been read
announced = ()  # type: tuple[str, ...]  # the modules that they name
relieved = False  # the watch took over, or was stopped: the sentry is not to be posted again


# The entry point in the group ``torch.backends``: look at every import from now on, and at once
# if a host is there already.
def watch_hosts():  # type: () -> None
    try:  # PyTorch would make a failing ``import torch`` of any exception
        if "WAVELIT_AUTOLOAD" in os.environ:
            from wavelit_plugin.autoload.switches import is_off

            if is_off("WAVELIT_AUTOLOAD"):
                return
        if relieved or SENTRY in sys.meta_path:
            return
        sys.meta_path.insert(0, SENTRY)
        # Hosts are looked for at the next import, for it takes some 2.5 ms. There may be none
        # before the module that imports PyTorch ends, so its end is an occasion too.
        frame = sys._getframe()  # type: Any  # noqa: SLF001  (inspect is not imported yet)
        while frame:
            spec = frame.f_globals.get("__spec__")
            name = str(getattr(spec, "name", ""))
            if name.partition(".")[0] not in INNER and when_built(spec, wake):
                break
            frame = frame.f_back
    except Exception as error:  # noqa: BLE001  (raised again with WAVELIT_STRICT)
        from wavelit_plugin.autoload.switches import complain

        complain("watching for hosts", error)


# Nothing is found, unless the watch is due: then what that finds.
def find_spec(name, path=None, target=None):  # type: (str, Any, Any) -> Any
    if name in announced or may_be_host(name):
        watch = wake(name)
        return watch and watch.find_spec(name, path, target)
    return None


# Return the watch, in the sentry's place, if ``name`` is a host's module or one is there already.
def wake(name=""):  # type: (str) -> Any
    global announced, relieved, scanned  # noqa: PLW0603  (the sentry is this module)
    try:
        if not scanned:
            scanned = True
            from importlib.metadata import entry_points

            announced = tuple(entry.name for entry in entry_points(group="wavelit.hosts"))
        there = name in announced or not sys.modules.keys().isdisjoint(announced)
        if relieved or not there:
            return None
        relieved = True  # what the watch imports is no occasion
        from wavelit_plugin.autoload.watch import WATCH

        WATCH.start()
    except Exception as error:  # noqa: BLE001  (the user's import goes on)
        from wavelit_plugin.autoload.switches import complain

        complain("watching for hosts", error)
        return None
    return WATCH


# Say whether importing ``name`` is an occasion to look for hosts.
def may_be_host(name):  # type: (str) -> bool
    name = name.partition(".")[0]
    if name in INNER or name in sys.stdlib_module_names:
        return False
    # PyTorch, or what somebody put in its place
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return getattr(spec, "_initializing", None) is not True


# Call ``call`` when importlib is done with the module of ``spec``; False if it cannot be.
def when_built(spec, call):  # type: (Any, Any) -> bool
    # importlib sets _initializing to False then; a property in a class of its own notices
    if getattr(spec, "_initializing", None) is not True:
        return False
    kind = type(spec)

    def finish(spec, value):  # type: (Any, bool) -> None
        spec.__class__ = kind
        # whoever else waits for this module hears it here
        spec._initializing = value  # noqa: SLF001  (importlib's own)
        call()

    try:  # until then it reads as True, which bool of a spec is
        spec.__class__ = type("AwaitedSpec", (kind,), {"_initializing": property(bool, finish)})
    except TypeError:
        return False
    return True
