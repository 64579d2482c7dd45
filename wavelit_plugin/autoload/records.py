"""The records that hosts, adapters and reports are made of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar

State: TypeAlias = Literal["pending", "applied", "skipped", "failed"]

Path: TypeAlias = Literal[
    "",
    "import hook",
    "after half-built module",
    "already imported",
    "next import (fallback)",
    "native",
]
"""How a registration came about; empty while it has not. ``native`` is the host's own way."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class HostRecord:
    """One module of a host to watch, and the adapter that registers with it.

    Attributes:
        host: name that WAVELIT_DISABLE and the report use.
        distribution: the host's name on the package index; empty if it has none.
        versions: versions of the distribution that the adapter supports, as in ``>=2.0,<3``;
            empty for any.
        watched: full name of the module whose end of import is awaited.
        adapter: ``package.module:function``, an ``Adapter``.
        package: module whose ``__version__`` counts before the distribution's, since a checkout
            on the path hides the installed one; empty to ask the distribution only.
        needs: other distributions that the host must be run with, each with its versions.
        beside: modules that have been imported before ``watched`` if it is the host's. Tells
            it from another module of the same name.
        only_if: an environment variable that must be set, and the reason given when it is not.
        training: what of the module a training begins with, as in ``Trainer.train``. It raises
            where WAVELIT_CRITERION is set and this registration, which heeds it, fails.
    """

    host: str
    distribution: str = ""
    versions: str = ""
    watched: str
    adapter: str
    package: str = ""
    needs: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()
    only_if: tuple[str, str] | None = None
    training: str = ""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What an adapter registered under a name, and how to take it back.

    Attributes:
        name: the name as the host's user writes it.
        undo: takes the registration back; must not touch what somebody else put there since.
    """

    name: str
    undo: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What an adapter could not register under a name, and why; logged as a warning."""

    name: str
    reason: str


Adapter: TypeAlias = Callable[[ModuleType], Iterable[Registration | Refusal] | None]
"""Registers with the watched module and says what it did, best by ``yield`` after each step.

What was yielded before an exception is undone. None says that the module is not the host's at
all, only one of the same name. Anything raised is reported with its message.
"""


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """Where one registration stands.

    Attributes:
        host: name of the host.
        distribution: its name on the package index; empty if not known.
        installed: version found; None if there is none or it cannot be told.
        supported: versions that the adapter supports; empty for any.
        watched: the module that is watched.
        names: what is registered at present.
        state: pending (not imported yet), applied, skipped or failed.
        reason: why it is skipped or failed, and what was refused; else empty.
        path: how it came about.
    """

    host: str
    distribution: str
    installed: str | None
    supported: str
    watched: str
    names: tuple[str, ...]
    state: State
    reason: str
    path: Path


def add_key(
    registry: MutableMapping[str, _Value], key: str, value: _Value
) -> Registration | Refusal:
    """Put ``value`` into a host's registry, unless ``key`` is taken.

    The undo removes the key only while it still holds ``value``.

    >>> registry = {"unet": 1}
    >>> add_key(registry, "unet", 2).reason
    "'unet' is taken already; what is there stays"
    """
    if key in registry:
        return Refusal(name=key, reason=f"{key!r} is taken already; what is there stays")
    registry[key] = value

    def undo() -> None:
        if registry.get(key) is value:
            del registry[key]

    return Registration(name=key, undo=undo)


def wrap_method(
    owner: object,
    method: str,
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]],
    *,
    name: str,
) -> Registration:
    """Put ``wrap(original)`` in the place of a method of a host's class, or a module's function.

    The undo restores what was there. Where somebody has wrapped ours since, theirs stays, and ours
    does from then on what the original does.

    >>> class Host:
    ...     def train(self): return "host"
    >>> made = wrap_method(Host, "train", lambda original: lambda self: "ours", name="train")
    >>> Host().train(), made.undo(), Host().train()
    ('ours', None, 'host')
    """
    inherited, original = method not in vars(owner), getattr(owner, method)
    ours: Callable[..., Any] = wrap(original)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    def undo() -> None:
        nonlocal ours
        ours = original
        if vars(owner).get(method) is not wrapped:
            return
        if inherited:
            delattr(owner, method)
        else:
            setattr(owner, method, original)

    setattr(owner, method, wrapped)
    return Registration(name=name, undo=undo)
