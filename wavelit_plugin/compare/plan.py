"""Which runs a comparison consists of, what comes next and how long it will take. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wavelit_plugin.compare.rates import FURTHER, beyond, middle_first
from wavelit_plugin.compare.runs import best_rate
from wavelit_plugin.compare.store import RunRecord, RunSpec


@dataclass(frozen=True, kw_only=True)
class PlannedOperator:
    """One operator in the plan.

    Attributes:
        label: its label.
        rates: learning rates to try first on seed 0, ascending; none where nothing is trained.
    """

    label: str
    rates: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Runs of all entries: rate by rate on seed 0, then seed by seed at the best rate.

    While the best rate is the smallest or the largest of several, the next one beyond it is tried,
    FURTHER of them at most: an operator that was stopped at an edge would look worse than it is.

    The entries take turns, so that what disturbs the machine for a while disturbs all alike, and a
    comparison that is stopped early has something to say of each.

    Attributes:
        entries: the operators.
        seeds: runs of each at its best rate; one where nothing is trained.
    """

    entries: tuple[PlannedOperator, ...]
    seeds: int

    def missing(self, done: Sequence[RunRecord]) -> Iterator[RunSpec]:
        """Yield the runs that can be done now and are not, in order."""
        finished = {run.spec for run in done}
        for spec in (*self._search(), *self._further(done), *self._repeats(done)):
            if spec not in finished:
                yield spec

    def left(self, done: Sequence[RunRecord]) -> dict[str, int]:
        """Return for each label how many runs are not done, also of rates not yet chosen."""
        counts = dict.fromkeys((entry.label for entry in self.entries), 0)
        for spec in self.missing(done):
            counts[spec.label] += 1
        for entry in self.entries:
            if entry.rates and self._chosen(entry, done) is None:
                counts[entry.label] += self.seeds - 1
        return counts

    def seconds_left(self, done: Sequence[RunRecord]) -> float | None:
        """Return an estimate from the runs that are done; None before the first."""
        if not done:
            return None
        overall = statistics.fmean(run.costs["run_seconds"] for run in done)
        own = {
            label: [run.costs["run_seconds"] for run in done if run.spec.label == label]
            for label in self.left(done)
        }
        return sum(
            count * (statistics.fmean(own[label]) if own[label] else overall)
            for label, count in self.left(done).items()
        )

    def _search(self) -> list[RunSpec]:
        turns = max((len(entry.rates) for entry in self.entries), default=0)
        untrained = [
            RunSpec(label=entry.label, learning_rate=None, seed=0)
            for entry in self.entries
            if not entry.rates
        ]
        return untrained + [
            RunSpec(label=entry.label, learning_rate=rate, seed=0)
            for turn in range(turns)
            for entry in self.entries
            for rate in middle_first(entry.rates)[turn : turn + 1]
        ]

    def _further(self, done: Sequence[RunRecord]) -> list[RunSpec]:
        beyonds = {entry.label: self._beyond(entry, done) for entry in self.entries}
        return [
            RunSpec(label=label, learning_rate=rate, seed=0)
            for label, rate in beyonds.items()
            if rate is not None
        ]

    def _beyond(self, entry: PlannedOperator, done: Sequence[RunRecord]) -> float | None:
        """Return the rate to try beyond those that were."""
        firsts = self._firsts(entry, done)
        best = self._best(entry, firsts)
        several, room = len(entry.rates) > 1, len(entry.rates) + FURTHER - len(firsts)
        if best is None or not several or room <= 0:
            return None
        return beyond(tuple(firsts), best)

    def _repeats(self, done: Sequence[RunRecord]) -> list[RunSpec]:
        chosen = {entry.label: self._chosen(entry, done) for entry in self.entries}
        return [
            RunSpec(label=label, learning_rate=firsts.spec.learning_rate, seed=seed)
            for seed in range(1, self.seeds)
            for label, firsts in chosen.items()
            # what diverges at every rate has nothing to repeat
            if firsts is not None and not firsts.metrics["diverged"]
        ]

    def _chosen(self, entry: PlannedOperator, done: Sequence[RunRecord]) -> RunRecord | None:
        """Return the run of seed 0 at the best rate, once there is none left to try."""
        firsts = self._firsts(entry, done)
        best = self._best(entry, firsts)
        return None if best is None or self._beyond(entry, done) is not None else firsts[best]

    def _best(self, entry: PlannedOperator, firsts: Mapping[float, RunRecord]) -> float | None:
        """Return the best rate so far, once all of the grid were tried."""
        if not entry.rates or not set(entry.rates) <= set(firsts):
            return None
        return best_rate(firsts.values())

    def _firsts(self, entry: PlannedOperator, done: Sequence[RunRecord]) -> dict[float, RunRecord]:
        """Return the runs of seed 0 by rate."""
        return {
            run.spec.learning_rate: run
            for run in done
            if run.spec.label == entry.label
            and run.spec.seed == 0
            and run.spec.learning_rate is not None
        }
