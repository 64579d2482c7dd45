"""What somebody asks ``wavelit compare`` for: one checked record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from wavelit_plugin.data.records import DTYPES, check_at_least, check_device
from wavelit_plugin.errors import ConfigError, unknown_name

Predict = Literal["auto", "state", "change"]

SIZE, TRAJECTORIES = 64, 64
"""Of a problem that is simulated for the comparison."""


@dataclass(frozen=True, kw_only=True)
class Spend:
    """What each training may spend: optimizer steps, or seconds of training.

    Raises:
        ConfigError: not exactly one of both, or nothing.
    """

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError("a budget is a number of steps or of seconds, exactly one of both")
        if self.steps is not None:
            check_at_least("steps", self.steps, 1)
        elif not 0 < (self.seconds or 0.0) < float("inf"):
            raise ConfigError(f"seconds must be above 0, got {self.seconds}")

    def as_plain(self) -> dict[str, int | float]:
        """Return the one that is given, by name."""
        if self.steps is not None:
            return {"steps": self.steps}
        return {"seconds": self.seconds or 0.0}


@dataclass(frozen=True, kw_only=True)
class Match:
    """What the operators' sizes have in common.

    Attributes:
        kind: "parameters", "seconds" (a training step takes as long as that of ``REFERENCE``) or
            "native", each operator's own size.
        parameters: their number, for "parameters".
    """

    kind: Literal["parameters", "seconds", "native"]
    parameters: int | None = None

    def as_text(self) -> str:
        """Return what the command line said."""
        return self.kind if self.parameters is None else f"{self.kind}={self.parameters}"


REFERENCE = "waveliT"
"""Whose training step the others' are matched to."""


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """A comparison.

    Attributes:
        data: a folder, a data set in a folder (``FOLDER/NAME``), or the name of a problem.
        operators: ``NAME`` or ``NAME:CRITERION``.
        out: folder of the results; a problem's data go into ``data`` in it.
        spend: what each training may spend.
        seeds: runs of each operator at its best learning rate.
        lr_grid: learning rates that are tried on seed 0.
        match: what the operators' sizes have in common.
        predict: what the operators are trained to predict, the next state or its change.
        batch_size: samples a step.
        device: where to simulate and train.
        size, trajectories: of a problem's data; None is the default, and for files.
        skip_missing: leave out operators that cannot be had or cannot do the task.

    Raises:
        ConfigError: a value out of range or an unknown name.
    """

    data: str
    operators: tuple[str, ...]
    out: Path
    spend: Spend
    seeds: int = 3
    lr_grid: int = 3
    match: Match
    predict: Predict = "auto"
    batch_size: int = 8
    device: str = "cpu"
    size: int | None = None
    trajectories: int | None = None
    skip_missing: bool = False

    def __post_init__(self) -> None:
        for name in ("seeds", "lr_grid", "batch_size"):
            check_at_least(name, getattr(self, name), 1)
        if not self.operators:
            raise ConfigError(
                "a comparison needs at least one operator; see wavelit list operators"
            )
        if self.predict not in get_args(Predict):
            raise unknown_name("prediction", self.predict, get_args(Predict))
        check_device(self.device, dtype=DTYPES["float32"])


def compare_request(*, operators: str, budget: str, match: str, **options: Any) -> CompareRequest:
    """Return the request of a command line, which has some values as text.

    Raises:
        ConfigError: a value cannot be read or is out of range.
    """
    names = (name.strip() for name in operators.split(","))
    return CompareRequest(
        operators=tuple(name for name in names if name),
        spend=parse_spend(budget),
        match=parse_match(match),
        **options,
    )


def parse_spend(text: str) -> Spend:
    """Read ``steps=2000`` or ``seconds=600``.

    Raises:
        ConfigError: it is neither.

    >>> parse_spend("steps=2000").steps
    2000
    """
    kind, value = _assignment("budget", text, {"steps": int, "seconds": float})
    return Spend(steps=int(value)) if kind == "steps" else Spend(seconds=value)


def parse_match(text: str) -> Match:
    """Read ``parameters=1000000``, ``seconds`` or ``native``.

    Raises:
        ConfigError: it is none of these.

    >>> parse_match("native").kind
    'native'
    """
    if text == "native":
        return Match(kind="native")
    if text == "seconds":
        return Match(kind="seconds")
    _, value = _assignment("match", text, {"parameters": int})
    check_at_least("parameters", int(value), 1)
    return Match(kind="parameters", parameters=int(value))


def _assignment(what: str, text: str, kinds: Mapping[str, type[int | float]]) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name in kinds:
        try:
            return name, kinds[name](value.replace("_", ""))
        except ValueError:
            pass
    forms = " or ".join(f"{kind}=NUMBER" for kind in kinds)
    rest = ", seconds or native" if what == "match" else ""
    raise ConfigError(f"{what} must be {forms}{rest}, got {text!r}")
