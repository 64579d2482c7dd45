"""The operators of a comparison by name, each with the criterion that it is trained by."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from wavelit_plugin.compare.rates import grid
from wavelit_plugin.errors import ConfigError, HostError, unknown_name
from wavelit_plugin.plugins import criteria, find_criterion, operators
from wavelit_plugin.plugins.types import CriterionRecord, GridTask, OperatorRecord
from wavelit_plugin.shapes import Field

Loss = Callable[[Field, Field], Tensor]

MSE = "mse"
"""The criterion of all that name no other: the mean squared error of normalised fields."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """An operator and its criterion.

    Attributes:
        record: the operator.
        criterion: "mse" or the name of one of ``plugins.criteria``.
    """

    record: OperatorRecord
    criterion: str = MSE

    @property
    def label(self) -> str:
        """The operator's name, with the criterion where it is not the mean squared error."""
        name = self.record.name
        return name if self.criterion == MSE else f"{name}:{self.criterion}"

    def rates(self, count: int) -> tuple[float, ...]:
        """Return the learning rates to begin with, ascending; none where nothing is trained."""
        return grid(self.record.learning_rates, count) if self.record.trains else ()


def find_contestants(names: Sequence[str]) -> tuple[Contestant, ...]:
    """Return the contestants of ``NAME`` or ``NAME:CRITERION``, each once.

    Raises:
        ConfigError: an unknown operator or criterion; the nearest name is shown.
    """
    known = {record.name: record for record in operators()}
    found = [_contestant(name.strip(), known) for name in names]
    return tuple({contestant.label: contestant for contestant in found}.values())


def able(
    contestants: Sequence[Contestant],
    refusal: Callable[[OperatorRecord], str | None],
    *,
    skip: bool,
    warn: Callable[[str], object],
) -> tuple[Contestant, ...]:
    """Return those that ``refusal`` has nothing to say about.

    Args:
        contestants: who wants to take part.
        refusal: returns the reason why an operator cannot, or None.
        skip: leave out the others instead of raising.
        warn: told of everyone that is left out, in one line.

    Raises:
        HostError: ``skip`` is off and somebody cannot; all are named.
        ConfigError: nobody is left.
    """
    reasons = {c.label: refusal(c.record) for c in contestants}
    refused = [f"{label}: {reason}" for label, reason in reasons.items() if reason]
    if refused and not skip:
        raise HostError(
            f"cannot compare {'; '.join(refused)}; leave out what cannot be had with "
            "--skip-missing, or take it off the list"
        )
    if len(refused) == len(contestants):
        raise ConfigError(f"no operator is left to compare: {'; '.join(refused)}")
    for line in refused:
        warn(f"left out {line}")
    return tuple(c for c in contestants if not reasons[c.label])


def criterion_of(contestant: Contestant, task: GridTask) -> Loss:
    """Return the training loss of normalised fields."""
    from torch.nn.functional import mse_loss

    if contestant.criterion == MSE:
        return mse_loss
    record = find_criterion(contestant.criterion)
    return record.build(reduction="mean", **_known_boundary(record, task))


def _contestant(name: str, known: dict[str, OperatorRecord]) -> Contestant:
    if name in known:
        return Contestant(record=known[name])
    operator, colon, criterion = name.rpartition(":")
    if not colon or operator not in known:
        raise unknown_name("operator", operator or name, known)
    names = [MSE, *(record.name for record in criteria())]
    if criterion not in names:
        raise unknown_name("criterion", criterion, names)
    if not known[operator].trains and criterion != MSE:
        raise ConfigError(f"{operator} is not trained by a criterion; write {operator}")
    return Contestant(record=known[operator], criterion=criterion)


def _known_boundary(record: CriterionRecord, task: GridTask) -> dict[str, tuple[str, ...]]:
    """Return the boundary for a criterion that wants to know it."""
    try:
        accepted = inspect.signature(record.build).parameters
    except ValueError:  # a built-in without a signature
        return {}
    return {"boundary": task.boundary} if "boundary" in accepted else {}
