"""Training one model on several data sets: one of them a batch, drawn by weight, resumable.

The optimizer's policy is that of a comparison (``compare.training``). What a step does depends on
the number of the step and the seed alone, so a training that was stopped goes on as it would have.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.training import POLICY, draw_batches, rate_factor
from wavelit_plugin.compare.transfer.subjects import Subject
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import JointWaveLiT

Report = Callable[[float, float], object]
"""Told the share of the steps that is done, 0 to 1, and the training loss."""

# steps between two looks at the loss of a GPU: each look waits for it
_LOOKS = {"cpu": 1}
_LOOK = 10
_POINTS = 100  # of the curve


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
    look = _LOOKS.get(run.device.type, _LOOK)
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
        policy: Mapping[str, Any] = POLICY
        self.joint, self.course, self.clip = joint, course, policy["clip_norm"]
        self.trained = list(joint.parameters())
        self.device = self.trained[0].device
        self.optimizer = torch.optim.AdamW(
            self.trained,
            lr=course.learning_rate,
            betas=tuple(policy["betas"]),
            weight_decay=policy["weight_decay"],
            fused=self.device.type in {"cpu", "cuda"},
        )
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
        for value in torch.stack(values).tolist():
            self.losses.append(value)
            if not math.isfinite(value):
                break
        self.seconds += time.perf_counter() - start

    def _step(self, subject: Subject, index: Tensor, factor: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.course.learning_rate * factor
        x, y = subject.batch(index)
        # weights of names that this data set lacks get no gradient, and so no step and no decay
        self.joint.zero_grad(set_to_none=True)
        value = subject.loss(self.joint(x, subject.name, target=y), y)
        value.backward()
        nn.utils.clip_grad_norm_(self.trained, self.clip)
        self.optimizer.step()
        return value.detach()

    def keep(self, path: Path) -> None:
        """Write the state to a temporary name, then rename: never half a file."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        state = {
            "course": self.course.as_plain(),
            "model": self.joint.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "seconds": self.seconds,
        }
        try:
            torch.save(state, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def restore(self, path: Path) -> None:
        """Go on from what ``keep`` wrote."""
        state = _read(path)
        if state["course"] != self.course.as_plain():
            raise ConfigError(
                f"{path} is of a training with other settings ({state['course']}); delete it to "
                "start again"
            )
        self.joint.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses, self.seconds = list(state["losses"]), float(state["seconds"])

    def outcome(self) -> Outcome:
        return Outcome(
            steps=self.done,
            seconds=self.seconds,
            curve=_thinned(self.losses),
            diverged=self.diverged,
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, OSError, EOFError, UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read ({reason}); delete it to start again") from error
    missing = {"course", "model", "optimizer", "losses", "seconds"} - set(state)
    if missing:
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}; delete it to start again")
    return state


def _thinned(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Return at most _POINTS points, each the mean of the losses since the one before."""
    each = max(1, math.ceil(len(losses) / _POINTS))
    parts = [(losses[i : i + each], i) for i in range(0, len(losses), each)]
    means = [(i + len(part), sum(part) / len(part)) for part, i in parts]
    return tuple((step, mean) for step, mean in means if math.isfinite(mean))
