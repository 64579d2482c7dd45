"""The width at which an operator has about as many parameters as it may."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache, partial

import torch
from torch import nn

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

TOLERANCE = 0.25
"""How far off the number of parameters may be."""


def parameter_count(module: nn.Module) -> int:
    """Return the number of trained parameters; a complex one counts as two.

    Of a module that is not trained, such as one that is fitted in closed form, all are counted.

    >>> parameter_count(nn.Linear(3, 2))
    8
    """
    found = list(module.parameters())
    # some keep constants among their parameters
    trained = [p for p in found if p.requires_grad] or found
    return sum(p.numel() * (2 if p.is_complex() else 1) for p in trained)


def parameters_of(record: OperatorRecord, task: GridTask, width: int | None) -> int:
    """Return the parameters of an operator at a width; None is its native size.

    Nothing is allocated where the operator can be built without.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return parameter_count(record.build(task, width))
        except RuntimeError:  # some read values while they are built
            return parameter_count(record.build(task, width))


def width_for(record: OperatorRecord, task: GridTask, parameters: int) -> int | None:
    """Return the width whose number of parameters is nearest; None for an operator of one size.

    Raises:
        ConfigError: the nearest is off by more than a quarter; it is shown.
    """
    widths = tuple(record.widths(task))
    if not widths:
        return _checked(record, task, parameters, None)
    count = cache(partial(_count_at, record, task, widths))
    low = high = 0
    # from below, since the largest width may not fit into memory
    while count(high) < parameters and high < len(widths) - 1:
        low, high = high, min(2 * high + 1, len(widths) - 1)
    above = min(bisect_left(range(high + 1), parameters, lo=low, key=count), high)
    nearest = min((max(above - 1, 0), above), key=lambda at: abs(count(at) - parameters))
    return _checked(record, task, parameters, widths[nearest])


def _count_at(record: OperatorRecord, task: GridTask, widths: tuple[int, ...], at: int) -> int:
    return parameters_of(record, task, widths[at])


def _checked(
    record: OperatorRecord, task: GridTask, parameters: int, width: int | None
) -> int | None:
    count = parameters_of(record, task, width)
    if abs(count - parameters) <= TOLERANCE * parameters:
        return width
    where = "and comes in one size only" if width is None else f"at width {width}, its nearest"
    raise ConfigError(
        f"{record.name} has {count:,} parameters {where}, which is not about {parameters:,}; ask "
        f"for about {count:,}, use --match native, or leave it out"
    )
