"""What operators are ranked by, and who is best: overlapping intervals are a tie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wavelit_plugin.compare.runs import Estimate, Row


@dataclass(frozen=True, kw_only=True)
class Measure:
    """An error that operators are ranked by; lower is better.

    Attributes:
        key: short name for files.
        title: with which it is spoken of, such as "one-step error".
        unit: VRMSE, or L2: the norm of the error over the norm of the truth.
        of: reads it from a row; None where it was not finite.
    """

    key: str
    title: str
    unit: str
    of: Callable[[Row], Estimate | None]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Operators by one measure.

    Attributes:
        measure: the measure.
        order: lowest mean first; those without a finite error come last.
        best: the first, and those whose interval overlaps the interval of the first.
    """

    measure: Measure
    order: tuple[Row, ...]
    best: tuple[Row, ...]

    @property
    def finite(self) -> tuple[Row, ...]:
        """Those with a finite error."""
        return tuple(row for row in self.order if self.measure.of(row) is not None)

    def mean(self, row: Row) -> float:
        """Return the mean of a row with a finite error."""
        estimate = self.measure.of(row)
        if estimate is None:
            raise LookupError(f"{row.label} has no finite {self.measure.title}")
        return estimate.mean


def measures(rows: Sequence[Row]) -> tuple[Measure, ...]:
    """Return the error of one step and that of the roll-out; VRMSE and L2 for static data."""
    window = rollout_window(rows)
    if window is None:
        return (
            Measure(key="error", title="error", unit="VRMSE", of=lambda row: row.one_step),
            Measure(
                key="relative-l2",
                title="relative error",
                unit="L2",
                of=lambda row: row.relative_l2,
            ),
        )
    return (
        Measure(key="one-step", title="one-step error", unit="VRMSE", of=lambda r: r.one_step),
        Measure(
            key="rollout",
            title=f"roll-out error over steps {spoken(window)}",
            unit="VRMSE",
            of=lambda row: row.windows.get(window),
        ),
    )


def rollout_window(rows: Sequence[Row]) -> str | None:
    """Return the window from step 1 that all roll-outs have; 1-10 before a longer one."""
    found = [set(row.windows) for row in rows if row.windows]
    shared = set.intersection(*found) if found else set()
    from_first = [name for name in shared if name.startswith("1-")]
    if "1-10" in from_first:
        return "1-10"
    return max(from_first, key=lambda name: int(name.split("-")[1]), default=None)


def spoken(window: str) -> str:
    """Return a window in words.

    >>> spoken("1-10")
    '1 to 10'
    """
    return window.replace("-", " to ")


def ranking(measure: Measure, rows: Sequence[Row]) -> Ranking:
    """Rank operators."""
    found = [(estimate.mean, row) for row in rows if (estimate := measure.of(row)) is not None]
    finite = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    lost = [row for row in rows if measure.of(row) is None]
    best = [row for row in finite if overlap(measure.of(finite[0]), measure.of(row))]
    return Ranking(measure=measure, order=(*finite, *lost), best=tuple(best))


def overlap(one: Estimate | None, other: Estimate | None) -> bool:
    """Say whether two intervals share a point; a single value is an interval of no width."""
    if one is None or other is None:
        return False
    return one.low <= other.high and other.low <= one.high
