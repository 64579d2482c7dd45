"""The one training loop of all studies: batches, AdamW, warm-up and cosine, one record of it.

Nothing but training is between the readings of its clock: no evaluation, no progress display.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.batches import Batches
from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.compare.request import Recipe, Spend
from wavelit_plugin.files import content_errors, load_tensors, save_tensors
from wavelit_plugin.shapes import Field

CLIP, DECAY, BETAS = 1.0, 1e-4, (0.9, 0.999)
CURVE_POINTS = 100

_WARM_UP = 0.05
_FINE = 0.1  # of the rate, where a fine-tuning at the end begins
_LEAST = 0.02  # of the rate in the first steps of a budget in seconds, which would else be 0
_AGAIN = "delete it to start again"

# steps between two looks at the loss of a GPU: each look waits for it
_BLOCK = {"cpu": 1}
_DEFAULT_BLOCK = 10

POLICY: dict[str, Any] = {
    "optimizer": "AdamW",
    "betas": list(BETAS),
    "weight_decay": DECAY,
    "clip_norm": CLIP,
    "warm_up": _WARM_UP,
    "schedule": "linear warm-up, cosine to 0, by the share of the budget that is spent",
}
"""The same for every operator; ``policy_of`` adds the options."""

Report = Callable[[float, float], object]
"""Told the share of the budget that is spent, 0 to 1, and the training loss."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained.

    Attributes:
        spend: the budget.
        learning_rate: the largest.
        fine_tuning: share of the budget, at its end, that has a small rate of its own.
        save_every: steps between two states that are kept, where one is.
    """

    spend: Spend
    learning_rate: float
    fine_tuning: float = 0.0
    save_every: int = 1


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What training cost and how it went.

    Attributes:
        steps: steps that were done.
        seconds: of training, ``prepare`` and what was before an interruption included.
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
    batches: Batches,
    how: Training,
    *,
    prepare: Callable[[], object] | None = None,
    state: Path | None = None,
    report: Report,
) -> Trained:
    """Train ``model`` in place.

    Args:
        model: on the device of the data.
        batches: what is learnt.
        how: budget and rate.
        prepare: called first, on the same clock.
        state: file where the state is kept now and then, and from which the training goes on if it
            is there; for a budget of steps. Deleted by whoever keeps the result.
        report: told how it goes.

    Raises:
        DataError: the file of the state is damaged, or cannot be written.
    """
    step = Optimizer(model.train(), how.learning_rate)
    device = step.views[0].device
    log = _Log(clock=_Clock(device))
    if state is not None and state.exists():
        _restore(model, step, log, state)
        batches.skip(log.steps)
    elif prepare is not None:
        with log.clock:
            prepare()
    while not log.diverged and spent(how.spend, log.steps, log.clock.seconds) < 1:
        before, block = log.steps, list[Tensor]()
        with log.clock:
            for _ in range(_steps_of_block(how.spend, before, device)):
                progress = share(how.spend, before + len(block), log.clock.seconds)
                factor = rate_factor(progress, how.fine_tuning)
                block.append(step(partial(batches.loss, model, progress), factor))
            # the one place where a GPU is waited for
            values = torch.stack(block).tolist()
        log.add(values)
        report(min(1.0, spent(how.spend, log.steps, log.clock.seconds)), values[-1])
        passed = log.steps // how.save_every > before // how.save_every
        if state is not None and (passed or log.steps == how.spend.steps):
            _save(model, step, log, state)
    return log.trained()


def policy_of(recipe: Recipe) -> dict[str, Any]:
    """Return the policy with the options that are on; without any it is what it always was."""
    fine = {"fine_tuning_rate": _FINE} if recipe.push_forward else {}
    return {**POLICY, **recipe.as_plain(), **fine}


def step_seconds(model: nn.Module, x: Field, y: Field, loss: Loss, *, repeats: int = 5) -> float:
    """Return the median time of a training step on one batch, after two that warm up."""
    step, clock = Optimizer(model.train(), learning_rate=0.0), _Clock(x.device)
    times = []
    for _ in range(repeats + 2):
        with clock:
            step(lambda: loss(model(x), y), 1.0)
        times.append(clock.last)
    return statistics.median(times[2:])


class Stepping(Protocol):
    """What is asked of an optimizer."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups, whose ``lr`` is set before each step."""

    def step(self) -> object:
        """Move the weights by their gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return what ``load_state_dict`` goes on from."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""


def adamw(weights: Sequence[Tensor], learning_rate: float) -> torch.optim.AdamW:
    """Return the optimizer of every study."""
    fused = weights[0].device.type in {"cpu", "cuda"}
    return torch.optim.AdamW(
        weights, lr=learning_rate, betas=BETAS, weight_decay=DECAY, fused=fused
    )


class Optimizer:
    """One step of AdamW on clipped gradients. Complex weights are pairs of real numbers.

    torch does the same inside AdamW, but its fused form and the norm of gradients are then several
    times slower.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self.model, self.rate = model, learning_rate
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.views = [torch.view_as_real(p.detach()) if p.is_complex() else p for p in self.trained]
        self.optimizer: Stepping = adamw(self.views, learning_rate)

    def __call__(self, loss: Callable[[], Tensor], factor: float) -> Tensor:
        """Step down the gradient of a loss, at a share of the rate; return its value before.

        Weights that it does not depend on stay as they are, without decay.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.model.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        for parameter, view in zip(self.trained, self.views, strict=True):
            if parameter.is_complex():
                gradient = parameter.grad
                view.grad = None if gradient is None else torch.view_as_real(gradient)
        nn.utils.clip_grad_norm_(self.views, CLIP)
        self.optimizer.step()
        return value.detach()


def share(spend: Spend, steps: int, seconds: float) -> float:
    """Return the share of a budget that is spent in the middle of the step that comes."""
    return spent(spend, steps + 0.5, seconds)


def spent(spend: Spend, steps: float, seconds: float) -> float:
    """Return the share of a budget that is spent."""
    if spend.steps is not None:
        return steps / spend.steps
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
        self.device, self.before, self._start = device, 0.0, math.nan
        self.last = 0.0

    @property
    def seconds(self) -> float:
        running = 0.0 if math.isnan(self._start) else time.perf_counter() - self._start
        return self.before + running

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.last = time.perf_counter() - self._start
        self.before += self.last
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
        """Take the losses of a block, up to and with the first that is not finite."""
        wrong = (i for i, value in enumerate(values) if not math.isfinite(value))
        kept = list(values[: next(wrong, len(values)) + 1])
        self.losses += kept
        self.each += [self.clock.last / len(values)] * len(kept)
        self.ends += [self.clock.seconds] * len(kept)

    def trained(self) -> Trained:
        return Trained(
            steps=self.steps,
            seconds=self.clock.seconds,
            step_seconds=statistics.median(self.each) if self.each else None,
            curve=tuple(self._curve()),
            diverged=self.diverged,
        )

    def _curve(self) -> list[tuple[int, float, float]]:
        """At most CURVE_POINTS points, each with the mean of the losses since the one before."""
        size = max(1, math.ceil(self.steps / CURVE_POINTS))
        parts = [range(i, min(i + size, self.steps)) for i in range(0, self.steps, size)]
        points = [(p.stop, statistics.fmean(self.losses[p.start : p.stop])) for p in parts]
        return [(end, self.ends[end - 1], mean) for end, mean in points if math.isfinite(mean)]


def _steps_of_block(spend: Spend, done: int, device: torch.device) -> int:
    wanted = _BLOCK.get(device.type, _DEFAULT_BLOCK)
    return wanted if spend.steps is None else min(wanted, spend.steps - done)


def _save(model: nn.Module, step: Optimizer, log: _Log, path: Path) -> None:
    state: dict[str, object] = {
        "model": model.state_dict(),
        "optimizer": step.optimizer.state_dict(),
        "log": {"losses": log.losses, "ends": log.ends, "each": log.each},
    }
    save_tensors(state, path)


def _restore(model: nn.Module, step: Optimizer, log: _Log, path: Path) -> None:
    """Go on from what ``_save`` wrote."""
    state = load_tensors(path, advice=_AGAIN)
    with content_errors(path, _AGAIN):
        model.load_state_dict(state["model"])
        step.optimizer.load_state_dict(state["optimizer"])
        log.losses, log.ends, log.each = (
            [float(value) for value in state["log"][name]] for name in ("losses", "ends", "each")
        )
        log.clock.before = log.ends[-1]
