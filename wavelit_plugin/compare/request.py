"""What somebody asks ``wavelit compare`` for: one checked record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, check_at_least, check_device

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


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What makes long roll-outs stable, the same for every operator; see ``stability``.

    Attributes:
        noise: amplitude of noise on the inputs of training, over the model's own one-step error; 0
            is none.
        push_forward: share of the budget, at its end, in which the model is trained on its own
            predictions; 0 is none.
        cycle_shift: points of the cell that roll-outs are shifted through; 0 is no shift.

    Raises:
        ConfigError: a value out of range.
    """

    noise: float = 0.0
    push_forward: float = 0.0
    cycle_shift: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.noise < float("inf"):
            raise ConfigError(f"noise must be at least 0 and finite, got {self.noise}")
        if not 0 <= self.push_forward < 1:
            raise ConfigError(
                f"push-forward is a share of the budget, at least 0 and below 1, got "
                f"{self.push_forward}"
            )
        check_at_least("cycle-shift", self.cycle_shift, 0)

    @property
    def trains(self) -> bool:
        """Whether it changes training."""
        return bool(self.noise or self.push_forward)

    def pushes(self, progress: float) -> bool:
        """Say whether inputs are predictions at this share of the budget."""
        return bool(self.push_forward) and progress >= 1 - self.push_forward

    def as_plain(self) -> dict[str, float | int]:
        """Return what is on, by name."""
        return {name: value for name, value in asdict(self).items() if value}


PLAIN = Recipe()
"""Nothing is on."""

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
        lr_grid: learning rates that are tried on seed 0 to begin with; see ``plan.Plan``.
        match: what the operators' sizes have in common.
        predict: what the operators are trained to predict, the next state or its change.
        batch_size: samples a step.
        device: where to simulate and train.
        size, trajectories: of a problem's data; None is the default, and for files.
        skip_missing: leave out operators that cannot be had or cannot do the task.
        recipe: options for long roll-outs.

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
    recipe: Recipe = PLAIN

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


def compare_request(
    *,
    operators: str,
    budget: str,
    match: str,
    noise: float = 0.0,
    push_forward: float = 0.0,
    cycle_shift: int = 0,
    **options: Any,
) -> CompareRequest:
    """Return the request of a command line, which has some values as text.

    Raises:
        ConfigError: a value cannot be read or is out of range.
    """
    names = (name.strip() for name in operators.split(","))
    return CompareRequest(
        operators=tuple(name for name in names if name),
        spend=parse_spend(budget),
        match=parse_match(match),
        recipe=Recipe(noise=noise, push_forward=push_forward, cycle_shift=cycle_shift),
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


def _assignment(
    what: str, text: str, kinds: Mapping[str, type[int | float]]
) -> tuple[str, int | float]:
    name, _, value = text.partition("=")
    if name in kinds:
        try:
            return name, kinds[name](value.replace("_", ""))
        except ValueError:
            pass
    forms = " or ".join(f"{kind}=NUMBER" for kind in kinds)
    rest = ", seconds or native" if what == "match" else ""
    raise ConfigError(f"{what} must be {forms}{rest}, got {text!r}")
