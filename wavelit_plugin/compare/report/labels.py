"""Names beside what they name: pushed apart, never on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

_CHARACTER = 0.56  # mean width of a letter in font sizes
_LINE = 1.25


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    width: float
    height: float

    def shared(self, other: Box) -> float:
        """Return the area of what two rectangles share."""
        wide = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        tall = min(self.bottom + self.height, other.bottom + other.height) - max(
            self.bottom, other.bottom
        )
        return max(wide, 0.0) * max(tall, 0.0)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return positions in [low, high] at least ``gap`` apart, nearest to those wanted.

    The least-squares answer: isotonic regression, by pooling neighbours, of the positions less
    their share of the gaps. The gap shrinks where there is no room.

    >>> spread([2.0, 2.0, 8.0], 1.0, 0.0, 10.0)
    [1.5, 2.5, 8.0]
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    top = high - gap * (len(wanted) - 1)
    pools: list[list[float]] = []
    for place, index in enumerate(order):
        pools.append([wanted[index] - gap * place])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    flat = [min(max(_mean(pool), low), top) for pool in pools for _ in pool]
    found = [0.0] * len(wanted)
    for place, index in enumerate(order):
        found[index] = flat[place] + gap * place
    return found


def beside(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    size: float,
    room: Box,
    *,
    texts_there: Sequence[Box] = (),
    lines: Sequence[Box] = (),
) -> list[Box]:
    """Return a box for the text of each point, all in points (1/72 inch).

    Each text takes, of the places around its point, the one that covers least of other points,
    of other texts, of lines, and of what lies outside ``room``.

    Args:
        points: where the points are.
        texts: their names.
        size: of the font.
        room: where texts may be.
        texts_there: texts that are drawn already.
        lines: small boxes along lines; a text may cross one rather than another text.
    """
    marks = [Box(left=x - 4, bottom=y - 4, width=8, height=8) for x, y in points]
    placed = list(texts_there)
    for point, text in zip(points, texts, strict=True):
        wide = _CHARACTER * size * len(text)
        candidates = _around(point, wide, _LINE * size)
        placed.append(min(candidates, key=lambda box: _cost(box, [*marks, *placed], lines, room)))
    return placed[len(texts_there) :]


def _around(point: tuple[float, float], wide: float, tall: float) -> list[Box]:
    """Places around a point, the right one first, then further and further away."""
    x, y = point
    found = []
    for away in (7.0, 16.0, 28.0):
        lefts = (x + away, x - away - wide, x - wide / 2)
        bottoms = (y - tall / 2, y + away / 2, y - tall - away / 2)
        corners = [(a, b) for a, b in product(lefts, bottoms) if (a, b) != (lefts[2], bottoms[0])]
        found += [Box(left=a, bottom=b, width=wide, height=tall) for a, b in corners]
    return found


def _cost(box: Box, things: Sequence[Box], lines: Sequence[Box], room: Box) -> float:
    """Area that is covered, weighed by how much that hurts."""
    outside = box.width * box.height - box.shared(room)
    hidden = sum(box.shared(other) for other in things)
    return 4 * hidden + 4 * outside + sum(box.shared(piece) for piece in lines)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
