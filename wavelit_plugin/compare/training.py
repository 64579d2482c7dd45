"""The one training loop of a comparison: batches by index, AdamW, warm-up and cosine.

Nothing but training is between the readings of its clock: no evaluation, no progress display.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.compare.request import Spend
from wavelit_plugin.shapes import Field

_WARM_UP, _CLIP, _DECAY, _BETAS = 0.05, 1.0, 1e-4, (0.9, 0.999)

POLICY = {
    "optimizer": "AdamW",
    "betas": list(_BETAS),
    "weight_decay": _DECAY,
    "clip_norm": _CLIP,
    "warm_up": _WARM_UP,
    "schedule": "linear warm-up, cosine to 0, by the share of the budget that is spent",
}
"""The same for every operator."""

CURVE_POINTS = 100

_LEAST = 0.02  # of the rate in the first steps of a budget in seconds, which would else be 0
# steps between two looks at the loss of a GPU: each look waits for it
_BLOCK = {"cpu": 1}
_DEFAULT_BLOCK = 10

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
    """

    spend: Spend
    batch_size: int
    learning_rate: float
    seed: int


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
        report: told how it goes.
    """
    model.train()
    step = _Step(model, how.learning_rate)
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
                index = next(batches)
                loss_of = (x.index_select(0, index), y.index_select(0, index), loss)
                block.append(step(*loss_of, rate_factor(progress)))
            # the one place where a GPU is waited for
            values = torch.stack(block).tolist()
        log.add(values)
        report(min(1.0, share(how.spend, log.steps, log.clock.seconds)), values[-1])
    return log.trained()


def step_seconds(model: nn.Module, x: Field, y: Field, loss: Loss, *, repeats: int = 5) -> float:
    """Return the median time of a training step on one batch, after two that warm up."""
    model.train()
    step, clock = _Step(model, learning_rate=0.0), _Clock(x.device)
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


def rate_factor(progress: float) -> float:
    """Return what the learning rate is multiplied by: up to 1 in a straight line, then a cosine.

    >>> [round(rate_factor(share), 3) for share in (0.025, 0.05, 0.525, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < _WARM_UP:
        return max(_LEAST, progress / _WARM_UP)
    late = min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP))
    return (1 + math.cos(math.pi * late)) / 2


class _Step:
    """One optimizer step. Complex parameters are trained as pairs of real numbers.

    torch does the same inside AdamW, but its fused form and the norm of gradients are then several
    times slower.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self.model, self.rate = model, learning_rate
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.views = [torch.view_as_real(p.detach()) if p.is_complex() else p for p in self.trained]
        self.optimizer = torch.optim.AdamW(
            self.views,
            lr=learning_rate,
            betas=_BETAS,
            weight_decay=_DECAY,
            fused=self.views[0].device.type in {"cpu", "cuda"},
        )

    def __call__(self, x: Field, y: Field, loss: Loss, factor: float) -> Tensor:
        """Return the loss before the step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.model.zero_grad(set_to_none=True)
        value = loss(self.model(x), y)
        value.backward()
        for parameter, view in zip(self.trained, self.views, strict=True):
            if parameter.is_complex():
                gradient = parameter.grad
                view.grad = None if gradient is None else torch.view_as_real(gradient)
        nn.utils.clip_grad_norm_(self.views, _CLIP)
        self.optimizer.step()
        return value.detach()


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
        finite = _until_not_finite(values)
        self.losses += finite
        self.each += [self.clock.last / len(values)] * len(finite)
        self.ends += [self.clock.seconds] * len(finite)

    def trained(self) -> Trained:
        return Trained(
            steps=self.steps,
            seconds=self.clock.seconds,
            step_seconds=statistics.median(self.each) if self.each else None,
            curve=_thinned(self.losses, self.ends),
            diverged=self.diverged,
        )


def _until_not_finite(values: Sequence[float]) -> list[float]:
    """Return the losses up to and with the first that is not finite."""
    for number, value in enumerate(values, start=1):
        if not math.isfinite(value):
            return list(values[:number])
    return list(values)


def _spent(spend: Spend, log: _Log) -> bool:
    if spend.steps is not None:
        return log.steps >= spend.steps
    return log.clock.seconds >= (spend.seconds or 0.0)


def _steps_of_block(spend: Spend, done: int, device: torch.device) -> int:
    wanted = _BLOCK.get(device.type, _DEFAULT_BLOCK)
    return wanted if spend.steps is None else min(wanted, spend.steps - done)


def _thinned(
    losses: Sequence[float], ends: Sequence[float]
) -> tuple[tuple[int, float, float], ...]:
    """Return at most CURVE_POINTS points, each the mean of the losses since the one before."""
    each = math.ceil(len(losses) / CURVE_POINTS)
    points = []
    for start in range(0, len(losses), max(1, each)):
        part = losses[start : start + each]
        mean = statistics.fmean(part)
        if math.isfinite(mean):
            last = start + len(part)
            points.append((last, ends[last - 1], mean))
    return tuple(points)
