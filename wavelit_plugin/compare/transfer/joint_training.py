"""Training one model on several data sets: one of them a batch, drawn by weight, resumable.

The optimizer's policy is that of a comparison (``compare.training``). What a step does depends on
the number of the step and the seed alone, so a training that was stopped goes on as it would have.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.compare.descent import Descent
from wavelit_plugin.compare.losses import steps_between_looks, thinned, until_not_finite
from wavelit_plugin.compare.training import draw_batches, rate_factor
from wavelit_plugin.compare.transfer.subjects import Subject
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import content_errors, load_tensors, save_tensors
from wavelit_plugin.model import JointWaveLiT

_AGAIN = "delete it to start again"

Report = Callable[[float, float], object]
"""Told the share of the steps that is done, 0 to 1, and the training loss."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a joint model is trained.

    Attributes:
        weights: how often each data set is drawn, by name, relative to the others.
        steps: optimizer steps in all.
        batch_size: samples a step, all of one data set.
        learning_rate: the largest.
        seed: of the order of data sets and samples.
        save_every: steps between two states that are kept.
    """

    weights: Mapping[str, float]
    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    save_every: int

    def order(self) -> list[str]:
        """Return the data set of every step: as many steps each as its weight says, shuffled.

        >>> course = Course(
        ...     weights={"a": 3.0, "b": 1.0}, steps=8, batch_size=1, learning_rate=1.0, seed=0,
        ...     save_every=1,
        ... )
        >>> course.order().count("a")
        6
        """
        shares = torch.tensor([*self.weights.values()], dtype=torch.float64)
        ends = (shares.cumsum(0) / shares.sum() * self.steps).round().long()
        counts = ends.diff(prepend=ends.new_zeros(1))
        each = torch.arange(len(shares)).repeat_interleave(counts)
        generator = torch.Generator().manual_seed(self.seed)
        names = list(self.weights)
        return [names[i] for i in each[torch.randperm(self.steps, generator=generator)].tolist()]

    def as_plain(self) -> dict[str, Any]:
        """Return all that the result depends on."""
        plain = {name: value for name, value in vars(self).items() if name != "save_every"}
        return {**plain, "weights": dict(self.weights)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training went.

    Attributes:
        steps: that were done.
        seconds: of training, those before an interruption included.
        curve: (step, mean training loss since the point before).
        diverged: a loss was not finite, which ended it.
    """

    steps: int
    seconds: float
    curve: tuple[tuple[int, float], ...]
    diverged: bool


def train_joint(
    joint: JointWaveLiT,
    subjects: Sequence[Subject],
    course: Course,
    state: Path,
    report: Report = lambda _share, _loss: None,
) -> Outcome:
    """Train ``joint`` in place, going on from ``state`` if that file is there.

    Args:
        joint: on the device of the data; its statistics are set.
        subjects: the data sets; those that the course names are trained on.
        course: how.
        state: where the state is kept now and then, atomically; deleted by whoever keeps the
            result.
        report: told how it goes.

    Raises:
        ConfigError: the file is of another course, or a data set of the course is missing.
        DataError: the file is damaged.
    """
    by_name = _named(subjects, course)
    run = _Run(joint.train(), course)
    if state.exists():
        run.restore(state)
    order, batches = course.order(), _batches(by_name, course)
    for name, count in Counter(order[: run.done]).items():
        for _ in range(count):
            next(batches[name])
    look = steps_between_looks(run.device)
    while run.done < course.steps and not run.diverged:
        part = order[run.done : run.done + look]
        run.advance([(by_name[name], next(batches[name])) for name in part])
        report(run.done / course.steps, run.losses[-1])
        passed = run.done // course.save_every > (run.done - len(part)) // course.save_every
        if passed or run.done == course.steps:
            run.keep(state)
    return run.outcome()


def _named(subjects: Sequence[Subject], course: Course) -> dict[str, Subject]:
    found = {subject.name: subject for subject in subjects if subject.name in course.weights}
    missing = sorted(course.weights.keys() - found.keys())
    if missing:
        raise ConfigError(f"there are no data for {', '.join(missing)}; give them, or no weight")
    return found


def _batches(subjects: Mapping[str, Subject], course: Course) -> dict[str, Iterator[Tensor]]:
    return {
        name: draw_batches(s.count, course.batch_size, course.seed) for name, s in subjects.items()
    }


class _Run:
    """Model, optimizer and losses of a training in progress."""

    def __init__(self, joint: JointWaveLiT, course: Course) -> None:
        self.joint, self.course = joint, course
        self.descent = Descent(joint, course.learning_rate)
        self.device = self.descent.trained[0].device
        self.losses: list[float] = []
        self.seconds = 0.0

    @property
    def done(self) -> int:
        return len(self.losses)

    @property
    def diverged(self) -> bool:
        return bool(self.losses) and not math.isfinite(self.losses[-1])

    def advance(self, steps: Sequence[tuple[Subject, Tensor]]) -> None:
        """Do some steps; the loss is looked at when they are done."""
        start = time.perf_counter()
        values = [
            self._step(subject, index, rate_factor((self.done + ahead + 0.5) / self.course.steps))
            for ahead, (subject, index) in enumerate(steps)
        ]
        self.losses += until_not_finite(torch.stack(values).tolist())
        self.seconds += time.perf_counter() - start

    def _step(self, subject: Subject, index: Tensor, factor: float) -> Tensor:
        self.descent.begin(factor)
        x, y = subject.batch(index)
        # weights of names that this data set lacks get no gradient, and so no step and no decay
        value = subject.loss(self.joint(x, subject.name, target=y), y)
        self.descent.follow(value)
        return value.detach()

    def keep(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        state: dict[str, object] = {
            "course": self.course.as_plain(),
            "model": self.joint.state_dict(),
            "optimizer": self.descent.optimizer.state_dict(),
            "losses": self.losses,
            "seconds": self.seconds,
        }
        save_tensors(state, path)

    def restore(self, path: Path) -> None:
        """Go on from what ``keep`` wrote."""
        state = _read(path)
        if state["course"] != self.course.as_plain():
            raise ConfigError(
                f"{path} is of a training with other settings ({state['course']}); delete it to "
                "start again"
            )
        with content_errors(path, _AGAIN):
            self.joint.load_state_dict(state["model"])
            self.descent.optimizer.load_state_dict(state["optimizer"])
            self.losses, self.seconds = list(state["losses"]), float(state["seconds"])

    def outcome(self) -> Outcome:
        return Outcome(
            steps=self.done,
            seconds=self.seconds,
            curve=thinned(self.losses),
            diverged=self.diverged,
        )


def _read(path: Path) -> dict[str, Any]:
    state = load_tensors(path, advice=_AGAIN)
    missing = {"course", "model", "optimizer", "losses", "seconds"} - set(state)
    if missing:
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}; {_AGAIN}")
    return state
