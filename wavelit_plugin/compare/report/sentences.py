"""The result in words, no stronger than the intervals allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wavelit_plugin.compare.report.measures import Ranking
from wavelit_plugin.compare.report.numbers import estimate_text, ratio_text
from wavelit_plugin.compare.runs import Row

PERSISTENCE = "persistence"


def headline(rankings: Sequence[Ranking]) -> str:
    """Return who is best at what, in one sentence."""
    first = rankings[0].best
    if all(len(ranking.best) == 1 and ranking.best == first for ranking in rankings):
        leader, *others = (_clause(ranking) for ranking in rankings)
        shared = f"{first[0].label} has "
        return f"{', and '.join([leader, *(text.removeprefix(shared) for text in others)])}."
    return f"{'; '.join(_clause(ranking) for ranking in rankings)}."


def remarks(rankings: Sequence[Ranking], plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a reader must know before believing the first sentence."""
    rows = rankings[0].order
    return (*_unfinished(rows, plan), *_one_seed(rows), *_diverged(rows), *_useless(rankings))


def listed(words: Sequence[str]) -> str:
    """Join words as prose does.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _clause(ranking: Ranking) -> str:
    measure, finite, best = ranking.measure, ranking.finite, ranking.best
    if not finite:
        return f"No operator has a finite {measure.title}"
    values = [estimate_text(measure.of(row)) for row in best]
    if len(best) > 1:
        return (
            f"{listed([row.label for row in best])} tie for the lowest {measure.title} "
            f"({measure.unit} {listed(values)}: the intervals overlap)"
        )
    if len(ranking.order) == 1:
        return f"{best[0].label} has a {measure.title} of {measure.unit} {values[0]}"
    text = f"{best[0].label} has the lowest {measure.title}, {measure.unit} {values[0]}"
    return text + (f" ({_next(ranking)})" if len(finite) > 1 else "")


def _next(ranking: Ranking) -> str:
    first, second = ranking.finite[:2]
    value = estimate_text(ranking.measure.of(second))
    least = ranking.mean(first)
    if least <= 0:
        return f"next is {second.label}, {value}"
    ratio = ratio_text(ranking.mean(second) / least)
    return f"next is {second.label}, {value}, {ratio} times as large"


def _unfinished(rows: Sequence[Row], plan: Mapping[str, Any]) -> Iterator[str]:
    absent = [label for label in plan["operators"] if label not in {row.label for row in rows}]
    if absent:
        yield f"The comparison is not finished: no run of {listed(absent)} is there yet."
    seeds = plan.get("seeds", 1)
    # what diverges at every rate is not repeated, and finished
    going = [row for row in rows if row.trained and row.diverged < row.seeds]
    short = [f"{row.label} {row.seeds}" for row in going if row.seeds < seeds]
    if short:
        yield f"The comparison is not finished: of {seeds} seeds there are {listed(short)}."


def _one_seed(rows: Sequence[Row]) -> Iterator[str]:
    if any(row.trained and row.seeds == 1 and not row.diverged for row in rows):
        yield (
            "Where there is one seed only, there is no interval: a difference may be chance, and "
            "no tie can be recognised."
        )


def _diverged(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.diverged:
            yield (
                f"{row.label} diverged in {row.diverged} of {row.seeds} runs at its best learning "
                "rate; it is ranked last where its error is not finite."
            )


def _useless(rankings: Sequence[Ranking]) -> Iterator[str]:
    """Name who does not beat the answer that nothing changes."""
    for ranking in rankings:
        still = next((row for row in ranking.finite if row.operator == PERSISTENCE), None)
        if still is None:
            continue
        order = [row for row in ranking.finite if row.trained]
        above = [row.label for row in order if ranking.mean(row) >= ranking.mean(still)]
        if above:
            yield (
                f"No better than predicting no change, by {ranking.measure.title}: {listed(above)}."
            )
