"""What somebody asks ``wavelit transfer`` for: one checked record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, check_at_least, check_device

PERSISTENCE = "persistence"
BESPOKE, BESPOKE_TUNED = "bespoke", "bespoke+tuned"
JOINT, JOINT_TUNED = "joint", "joint+tuned"
LEFT_OUT, LEFT_OUT_TUNED = "left-out", "left-out+tuned"
WAVES, FLOWS = "waves+tuned", "flows+tuned"

COLUMNS: Mapping[str, str] = {
    PERSISTENCE: "not trained: nothing changes",
    BESPOKE: "trained on this data set alone",
    BESPOKE_TUNED: "trained on this data set alone, then on it again as in the other columns",
    JOINT: "trained on all data sets",
    JOINT_TUNED: "trained on all data sets, then on this one",
    LEFT_OUT: "trained on all others, never on this one",
    LEFT_OUT_TUNED: "trained on all others, then on this one",
    WAVES: "trained on the wave data sets, then on this one",
    FLOWS: "trained on the flow data sets, then on this one",
}
"""The columns of the matrix and what they are."""

_WIDEST = 2**14


@dataclass(frozen=True, kw_only=True)
class TransferRequest:
    """A transfer matrix.

    Attributes:
        data: folders of one or several data sets each, or ``FOLDER/NAME``.
        out: folder of the results.
        steps: of training from scratch, for each data set of the training.
        fine_tune_steps: of training on from there, on one data set.
        seeds: runs of everything.
        preset: of the model.
        width: instead of the preset's; heads follow.
        columns: of the matrix.
        waves, flows: names of the data sets that the last two columns are trained on.
        weights: how often a data set is drawn in joint training, relative to the others; 1 where
            it is not named.
        batch_size: samples a step.
        learning_rate: the largest, of training from scratch.
        fine_tune_rate: the largest, of training on.
        save_every: steps between two states of a training that are kept.
        device: where to train.
        stream: read batches from The Well's files instead of keeping the data in memory.

    Raises:
        ConfigError: a value out of range or an unknown name.
    """

    data: tuple[Path, ...]
    out: Path
    steps: int
    fine_tune_steps: int
    seeds: int = 1
    preset: str = "waveliT"
    width: int | None = None
    columns: tuple[str, ...] = tuple(COLUMNS)
    waves: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    batch_size: int = 8
    learning_rate: float = 3e-3
    fine_tune_rate: float = 1e-3
    save_every: int = 200
    device: str = "cpu"
    stream: bool = False

    def __post_init__(self) -> None:
        for name in ("steps", "fine_tune_steps", "seeds", "batch_size", "save_every"):
            check_at_least(name, getattr(self, name), 1)
        if not self.data:
            raise ConfigError("a transfer matrix needs data; give folders with --data")
        for column in self.columns:
            if column not in COLUMNS:
                raise unknown_name("column", column, COLUMNS)
        if self.width is not None and (self.width % 2 or not 2 <= self.width <= _WIDEST):
            raise ConfigError(f"width must be even and from 2 to {_WIDEST}, got {self.width}")
        self._check_positive()
        check_device(self.device, dtype=DTYPES["float32"])

    def wanted(self) -> tuple[str, ...]:
        """Return the columns in their order, without those that no data set is named for."""
        empty = {c for c, named in ((WAVES, self.waves), (FLOWS, self.flows)) if not named}
        return tuple(c for c in COLUMNS if c in self.columns and c not in empty)

    def check_names(self, known: Iterable[str]) -> None:
        """Raise ConfigError for a name that no data set has; the nearest is shown."""
        names = list(known)
        for name in (*self.waves, *self.flows, *self.weights):
            if name not in names:
                raise unknown_name("data set", name, names)

    def _check_positive(self) -> None:
        rates = {name: getattr(self, name) for name in ("learning_rate", "fine_tune_rate")}
        weights = {f"the weight of {name}": weight for name, weight in self.weights.items()}
        for name, value in {**rates, **weights}.items():
            if not 0 < value < float("inf"):
                raise ConfigError(f"{name} must be above 0 and finite, got {value}")


def transfer_request(
    *, data: str, waves: str, flows: str, columns: str, weights: str, **options: Any
) -> TransferRequest:
    """Return the request of a command line, which has lists as text.

    Raises:
        ConfigError: a value cannot be read or is out of range.
    """
    return TransferRequest(
        data=tuple(Path(part) for part in _listed(data)),
        waves=_listed(waves),
        flows=_listed(flows),
        columns=_listed(columns) or tuple(COLUMNS),
        weights=dict(_weight(part) for part in _listed(weights)),
        **options,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise ConfigError(
            f"weights must be NAME=NUMBER with commas between, got {text!r}"
        ) from error
