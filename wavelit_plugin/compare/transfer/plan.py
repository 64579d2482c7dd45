"""Which trainings a transfer matrix consists of, and which cells each of them fills. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wavelit_plugin.compare.store import RunRecord, RunSpec
from wavelit_plugin.compare.transfer.batches import drawn_order
from wavelit_plugin.compare.transfer.request import (
    BESPOKE,
    BESPOKE_TUNED,
    COLUMNS,
    FLOWS,
    JOINT,
    JOINT_TUNED,
    LEFT_OUT,
    LEFT_OUT_TUNED,
    PERSISTENCE,
    WAVES,
    TransferRequest,
)


@dataclass(frozen=True, kw_only=True)
class PlannedTraining:
    """One training.

    Attributes:
        name: which also names its file.
        data_sets: that it is trained on; none where nothing is trained.
        source: the training that it goes on from; None for one from scratch.
    """

    name: str
    data_sets: tuple[str, ...]
    source: PlannedTraining | None = None

    @property
    def chain(self) -> tuple[PlannedTraining, ...]:
        """The trainings that lead to its model, the first first, itself last."""
        return (*(self.source.chain if self.source else ()), self)

    def spec(self, seed: int) -> RunSpec:
        """Return the run that does it."""
        return RunSpec(label=self.name, seed=seed)

    def weights(self, request: TransferRequest) -> dict[str, float]:
        """Return how often each of its data sets is drawn."""
        return {name: request.weights.get(name, 1.0) for name in self.data_sets}

    def steps(self, request: TransferRequest) -> int:
        """Return its optimizer steps."""
        each = request.fine_tune_steps if self.source else request.steps
        return each * len(self.data_sets)

    def counted(self, request: TransferRequest, seed: int, name: str) -> tuple[int, int]:
        """Return how many steps on a data set, and on others, lead to its model."""
        every = [
            step
            for one in self.chain
            if one.data_sets
            for step in drawn_order(one.weights(request), one.steps(request), seed)
        ]
        return every.count(name), len(every) - every.count(name)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trainings of a matrix.

    Attributes:
        request: the columns, and the names of waves and flows.
        names: of all data sets.
        lacking: of a data set the names that no other one has, so that nothing which was not
            trained on it can predict it.
    """

    request: TransferRequest
    names: tuple[str, ...]
    lacking: Mapping[str, Sequence[str]]

    def trainings(self) -> tuple[PlannedTraining, ...]:
        """Return those that the wanted cells need, each once, sources before what goes on."""
        wanted = (
            self.training(column, name)
            for column in self.request.wanted()
            for name in self.names
            if column != LEFT_OUT or not self.lacking[name]
        )
        return tuple({one.name: one for last in wanted for one in last.chain}.values())

    def training(self, column: str, name: str) -> PlannedTraining:
        """Return whose model predicts in a cell."""
        others = tuple(other for other in self.names if other != name)
        alone = PlannedTraining(name=f"bespoke-{name}", data_sets=(name,))
        whole = PlannedTraining(name="joint", data_sets=self.names)
        without = PlannedTraining(name=f"without-{name}", data_sets=others)
        first = {
            PERSISTENCE: PlannedTraining(name=PERSISTENCE, data_sets=()),
            BESPOKE: alone,
            BESPOKE_TUNED: alone,
            JOINT: whole,
            JOINT_TUNED: whole,
            LEFT_OUT: without,
            LEFT_OUT_TUNED: without,
            WAVES: PlannedTraining(name="waves", data_sets=self.request.waves),
            FLOWS: PlannedTraining(name="flows", data_sets=self.request.flows),
        }[column]
        if column in {PERSISTENCE, BESPOKE, JOINT, LEFT_OUT}:
            return first
        return PlannedTraining(name=f"{first.name}-then-{name}", data_sets=(name,), source=first)

    def measured(self, training: PlannedTraining) -> tuple[str, ...]:
        """Return the data sets that a model is measured on, whichever columns are wanted now."""
        cells = ((column, name) for column in COLUMNS for name in self.names)
        found = (
            name
            for column, name in cells
            if self.training(column, name).name == training.name
            and not (column == LEFT_OUT and self.lacking[name])
        )
        return tuple(dict.fromkeys(found))

    def missing(self, done: Iterable[RunRecord]) -> Iterator[RunSpec]:
        """Yield the runs that can be done now and are not, in order."""
        finished = {run.spec for run in done}
        for seed in range(self.request.seeds):
            for one in self.trainings():
                ready = one.source is None or one.source.spec(seed) in finished
                if ready and one.spec(seed) not in finished:
                    yield one.spec(seed)
