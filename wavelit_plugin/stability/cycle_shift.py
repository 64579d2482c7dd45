"""Roll-outs that meet the model's lattice at another place in every step.

A model of tokens treats the points of a token differently, and repeats its mistakes at the same
places of the grid, where they add up over a roll-out. On a periodic axis the fields may be rolled
before a step and back after it; with another offset in every step the mistakes fall on other
points and average out, at the cost of two copies. Averaging over shifts is cycle spinning:
Coifman and Donoho, Translation-Invariant De-Noising (1995), doi:10.1007/978-1-4612-2544-7_9; here
over the steps instead of within one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, product

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.shapes import Field, per_axis

Step = Callable[[Field], Field]


def cycle_shift(step: Step, *, boundary: Sequence[str], cell: int) -> Step:
    """Return the step that rolls its input by the next offset and its output back.

    Periodic axes are rolled, others stay. The first call is ``step`` itself; after
    ``cell**periodic axes`` calls every offset was there once. Each wrapped step counts its own
    calls: wrap anew for every roll-out. A step that commutes with translations gives what it gave.

    Args:
        step: maps (batch, channel, *space) to fields of the same grid; all channels are rolled.
        boundary: one name for each space axis, see ``shapes.BOUNDARIES``.
        cell: points of a token along an axis, 2**levels for waveliT; at least 1.

    Raises:
        ConfigError: no axis is periodic, an unknown boundary, or a cell below 1.

    >>> u = torch.arange(4.0).reshape(1, 1, 4)
    >>> odd_lost = torch.tensor([1.0, 0.0, 1.0, 0.0])
    >>> shifted = cycle_shift(lambda u: u * odd_lost, boundary=["periodic"], cell=2)
    >>> [shifted(u).flatten().tolist() for _ in range(2)]
    [[0.0, 0.0, 2.0, 0.0], [0.0, 1.0, 0.0, 3.0]]
    """
    offsets = cycle(cycle_offsets(boundary, cell))
    axes = tuple(range(2, 2 + len(boundary)))

    def shifted(u: Field) -> Field:
        offset = next(offsets)
        back = tuple(-points for points in offset)
        return step(u.roll(offset, axes)).roll(back, axes)

    return shifted


def cycle_offsets(boundary: Sequence[str], cell: int) -> tuple[tuple[int, ...], ...]:
    """Return every offset within a cell once, one number for each axis, far apart ones in turn.

    The first is zero, and any first few are spread over the cell as evenly as so few can be.

    Raises:
        ConfigError: as ``cycle_shift``.

    >>> cycle_offsets(["periodic"], 8)
    ((0,), (4,), (2,), (6,), (1,), (5,), (3,), (7,))
    """
    if cell < 1:
        raise ConfigError(f"a cell must have at least 1 point along an axis, got {cell}")
    rolled = [name == "periodic" for name in per_axis(boundary, len(boundary))]
    if not any(rolled):
        raise ConfigError(
            f"a cycle shift rolls periodic axes, got boundary {tuple(boundary)}; roll out without "
            "it, or give the boundary of the data"
        )
    offsets: list[tuple[int, ...]] = [(0,) * len(rolled)]
    stride = cell
    for factor in _prime_factors(cell):
        stride //= factor
        digits = product(*(range(factor if along else 1) for along in rolled))
        offsets = [
            tuple(place + stride * digit for place, digit in zip(offset, finer, strict=True))
            for finer in digits
            for offset in offsets
        ]
    return tuple(offsets)


def _prime_factors(number: int) -> list[int]:
    """Return the prime factors, ascending.

    >>> _prime_factors(12)
    [2, 2, 3]
    """
    found, factor = [], 2
    while number > 1:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return found
