"""What was asked and on what it ran, as pairs of words for a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MATCHED = {
    "parameters": "matched by parameters",
    "seconds": "matched by step time",
    "native": "native sizes",
}

Facts = tuple[tuple[str, str], ...]

_GROUPS = ("data", "hardware", "versions")
_HIDDEN = (
    "format", "holds", "command", "commands", "operators", "settings", "rates", "widths",
    "ecosystems", *_GROUPS,
)  # fmt: skip


def data_name(plan: Mapping[str, Any]) -> str:
    """Return the name of the data."""
    return str(plan.get("data", {}).get("name", "data"))


def chips(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the few facts that a reader wants first."""
    data = plan.get("data", {})
    found = (
        _text(data["size"]) + " points" if "size" in data else "",
        f"{data['train_samples']:,} training samples" if "train_samples" in data else "",
        *(f"{_text(value)} {unit} each" for unit, value in plan.get("budget", {}).items()),
        _counted(plan["seeds"], "seed") if "seeds" in plan else "",
        _MATCHED.get(str(plan.get("match")).partition("=")[0], ""),
    )
    return tuple(chip for chip in found if chip)


def groups(plan: Mapping[str, Any]) -> tuple[tuple[str, Facts], ...]:
    """Return titled groups of facts: settings, data, hardware, versions."""
    settings = {name: value for name, value in plan.items() if name not in _HIDDEN}
    parts = (("settings", settings), *((name, plan.get(name, {})) for name in _GROUPS))
    return tuple((title, tuple(_flat(part))) for title, part in parts if part)


def commands(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the commands that made the runs, as they would be typed."""
    typed = plan.get("commands") or [plan.get("command", ())]
    lines = (words if isinstance(words, str) else shlex.join(map(str, words)) for words in typed)
    return tuple(line for line in lines if line)


def _flat(part: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        words = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{words}: ")
        elif value is not None:
            yield words, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        sizes = bool(value) and all(isinstance(part, int) for part in value)
        return ("\N{MULTIPLICATION SIGN}" if sizes else ", ").join(map(str, value))
    return str(value)


def _counted(number: Any, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
