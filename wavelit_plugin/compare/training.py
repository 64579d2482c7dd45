"""The one training loop of a comparison: batches by index, AdamW, warm-up and cosine.

Nothing but training is between the readings of its clock: no evaluation, no progress display.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.compare.descent import BETAS, CLIP, DECAY, Descent
from wavelit_plugin.compare.lessons import AsTheyAre, Lessons
from wavelit_plugin.compare.losses import steps_between_looks, thinned, until_not_finite
from wavelit_plugin.compare.request import Recipe, Spend
from wavelit_plugin.shapes import Field

_WARM_UP = 0.05
_FINE = 0.1  # of the rate, where a fine-tuning at the end begins

POLICY: dict[str, Any] = {
    "optimizer": "AdamW",
    "betas": list(BETAS),
    "weight_decay": DECAY,
    "clip_norm": CLIP,
    "warm_up": _WARM_UP,
    "schedule": "linear warm-up, cosine to 0, by the share of the budget that is spent",
}
"""The same for every operator; ``policy_of`` adds the options."""

_LEAST = 0.02  # of the rate in the first steps of a budget in seconds, which would else be 0

Report = Callable[[float, float], object]
"""Told the share of the budget that is spent, 0 to 1, and the training loss."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How one operator is trained.

    Attributes:
        spend: the budget.
        batch_size: samples a step.
        learning_rate: the largest.
        seed: of the order of the samples.
        fine_tuning: share of the budget, at its end, that has a small rate of its own.
    """

    spend: Spend
    batch_size: int
    learning_rate: float
    seed: int
    fine_tuning: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training cost and how it went.

    Attributes:
        steps: steps that were done.
        seconds: of training, ``prepare`` included.
        step_seconds: median of a step; None without steps.
        curve: (step, seconds, mean training loss since the point before).
        diverged: a loss was not finite, which ended it.
    """

    steps: int
    seconds: float
    step_seconds: float | None
    curve: tuple[tuple[int, float, float], ...]
    diverged: bool


def train(
    model: nn.Module,
    x: Field,
    y: Field,
    loss: Loss,
    how: Training,
    *,
    prepare: Callable[[], object] | None = None,
    lessons: Lessons | None = None,
    report: Report,
) -> Trained:
    """Train ``model`` in place.

    Args:
        model: on the device of the data.
        x: all normalised inputs, (sample, channel, *space).
        y: what they should give, likewise.
        loss: mean over a batch; heeds progress if it has ``set_progress``.
        how: budget, rate and seed.
        prepare: called first, on the same clock.
        lessons: what is learnt from x and y, on the same clock; default what they are.
        report: told how it goes.
    """
    model.train()
    step, lessons = Descent(model, how.learning_rate), lessons or AsTheyAre(x, y)
    batches = draw_batches(len(x), how.batch_size, how.seed, device=x.device)
    log = _Log(clock=_Clock(x.device))
    with log.clock:
        if prepare is not None:
            prepare()
    heed = getattr(loss, "set_progress", None)
    while not log.diverged and not _spent(how.spend, log):
        with log.clock:
            block: list[Tensor] = []
            for _ in range(_steps_of_block(how.spend, log.steps, x.device)):
                progress = share(how.spend, log.steps + len(block), log.clock.seconds)
                if heed is not None:
                    heed(progress)
                given, wanted = lessons.batch(next(batches), progress)
                factor = rate_factor(progress, how.fine_tuning)
                value, answer = step(given, wanted, loss, factor)
                lessons.learnt(answer, wanted)
                block.append(value)
            # the one place where a GPU is waited for
            values = torch.stack(block).tolist()
        log.add(values)
        report(min(1.0, share(how.spend, log.steps, log.clock.seconds)), values[-1])
    return log.trained()


def policy_of(recipe: Recipe) -> dict[str, Any]:
    """Return the policy with the options that are on; without any it is what it always was."""
    fine = {"fine_tuning_rate": _FINE} if recipe.push_forward else {}
    return {**POLICY, **recipe.as_plain(), **fine}


def step_seconds(model: nn.Module, x: Field, y: Field, loss: Loss, *, repeats: int = 5) -> float:
    """Return the median time of a training step on one batch, after two that warm up."""
    model.train()
    step, clock = Descent(model, learning_rate=0.0), _Clock(x.device)
    times = []
    for _ in range(repeats + 2):
        with clock:
            step(x, y, loss, 1.0)
        times.append(clock.last)
    return statistics.median(times[2:])


def draw_batches(
    samples: int, batch_size: int, seed: int, *, device: torch.device | str = "cpu"
) -> Iterator[Tensor]:
    """Yield indices of full batches without end: every sample once before any comes again.

    The order is the same on every device; it is brought there once an epoch.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64, device=device)
    while True:
        while len(order) < batch_size:
            order = torch.cat([order, torch.randperm(samples, generator=generator).to(device)])
        yield order[:batch_size]
        order = order[batch_size:]


def share(spend: Spend, steps: int, seconds: float) -> float:
    """Return the share of a budget that is spent; in the middle of the step that comes."""
    if spend.steps is not None:
        return (steps + 0.5) / spend.steps
    return seconds / (spend.seconds or math.inf)


def rate_factor(progress: float, fine_tuning: float = 0.0) -> float:
    """Return what the learning rate is multiplied by: up to 1 in a straight line, then a cosine.

    A fine-tuning at the end has a cosine of its own from 0.1, and the rest of the budget all that
    comes before.

    >>> [round(rate_factor(share), 3) for share in (0.025, 0.05, 0.525, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    >>> [round(rate_factor(share, 0.5), 3) for share in (0.025, 0.5, 0.75, 1.0)]
    [1.0, 0.1, 0.05, 0.0]
    """
    before = 1 - fine_tuning
    if fine_tuning and progress >= before:
        return _FINE * _cosine((progress - before) / fine_tuning)
    progress /= before
    if progress < _WARM_UP:
        return max(_LEAST, progress / _WARM_UP)
    return _cosine((progress - _WARM_UP) / (1 - _WARM_UP))


def _cosine(share: float) -> float:
    """From 1 to 0, and 0 beyond."""
    return (1 + math.cos(math.pi * min(1.0, share))) / 2


class _Clock:
    """Seconds inside its blocks; ``seconds`` also counts the block that is open."""

    def __init__(self, device: torch.device) -> None:
        self.device, self._before, self._start = device, 0.0, math.nan
        self.last = 0.0

    @property
    def seconds(self) -> float:
        running = 0.0 if math.isnan(self._start) else time.perf_counter() - self._start
        return self._before + running

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.last = time.perf_counter() - self._start
        self._before += self.last
        self._start = math.nan


@dataclass(kw_only=True)
class _Log:
    """Losses and times as they come."""

    clock: _Clock
    losses: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    each: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return len(self.losses)

    @property
    def diverged(self) -> bool:
        return bool(self.losses) and not math.isfinite(self.losses[-1])

    def add(self, values: Sequence[float]) -> None:
        finite = until_not_finite(values)
        self.losses += finite
        self.each += [self.clock.last / len(values)] * len(finite)
        self.ends += [self.clock.seconds] * len(finite)

    def trained(self) -> Trained:
        return Trained(
            steps=self.steps,
            seconds=self.clock.seconds,
            step_seconds=statistics.median(self.each) if self.each else None,
            curve=tuple((step, self.ends[step - 1], mean) for step, mean in thinned(self.losses)),
            diverged=self.diverged,
        )


def _spent(spend: Spend, log: _Log) -> bool:
    if spend.steps is not None:
        return log.steps >= spend.steps
    return log.clock.seconds >= (spend.seconds or 0.0)


def _steps_of_block(spend: Spend, done: int, device: torch.device) -> int:
    wanted = steps_between_looks(device)
    return wanted if spend.steps is None else min(wanted, spend.steps - done)
