"""What the steps of a training learn from: the samples as they are, or moved off the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.compare.grid_data import Units
from wavelit_plugin.compare.request import Recipe
from wavelit_plugin.shapes import Field
from wavelit_plugin.stability import BandNoise, in_evaluation, push_forward

Batch = tuple[Field, Field]
"""Normalised inputs and what they should give."""

_NONE = slice(0)


@runtime_checkable  # for the run-time check of annotations
class Batches(Protocol):
    """What a training learns, batch by batch."""

    def loss(self, model: nn.Module, progress: float) -> Tensor:
        """Draw the next batch, and return the model's loss on it at this share of the budget."""

    def skip(self, steps: int) -> None:
        """Leave out the batches of steps that are done."""


class PlainBatches:
    """The samples, unchanged.

    Args:
        x: all normalised inputs, (sample, channel, *space).
        y: what they should give, likewise.
        criterion: mean over a batch; heeds progress if it has ``set_progress``.
        batch_size: samples a step.
        seed: of the order of the samples.
    """

    def __init__(self, x: Field, y: Field, criterion: Loss, *, batch_size: int, seed: int) -> None:
        self.x, self.y, self.criterion = x, y, criterion
        self._heed = getattr(criterion, "set_progress", None)
        self._order = draw_batches(len(x), batch_size, seed, device=x.device)

    def loss(self, model: nn.Module, progress: float) -> Tensor:
        """Draw the next batch, and return the model's loss on it."""
        if self._heed is not None:
            self._heed(progress)
        x, y = self.batch(next(self._order), progress)
        answer: Field = model(x)
        self.update(answer.detach(), y)
        return self.criterion(answer, y)

    def skip(self, steps: int) -> None:
        """Leave out the batches of steps that are done."""
        for _ in islice(self._order, steps):
            pass

    def batch(self, index: Tensor, _progress: float = 0.0) -> Batch:
        """Return what to learn from these samples at this share of the budget."""
        return self.x.index_select(0, index), self.y.index_select(0, index)

    def update(self, answer: Field, target: Field) -> None:
        """Take note of what was answered to a batch: nothing is learned from it here."""


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


class PerturbedBatches(PlainBatches):
    """Samples whose states are moved by noise of the model's error, or by the model itself.

    Where the moved state should lead is where the true one leads.

    Noise is on every second sample; the others tell what the error from true states is, which noise
    would increase and, being drawn from it, increase again. In the push-forward every state is what
    the model predicts from the frame before, and the first of a trajectory stays true, as in a
    roll-out; noise goes on top, with the last estimate of the error.

    Args:
        x, y, criterion, batch_size, seed: as ``PlainBatches``; the seed is also that of the noise.
        earlier: for each sample the one that is its trajectory's frame before, or itself.
        units: of the samples.
        recipe: what is on.
        boundary: of each axis.
        model: that is trained; predicts in evaluation mode.
    """

    def __init__(
        self,
        x: Field,
        y: Field,
        criterion: Loss,
        *,
        batch_size: int,
        seed: int,
        earlier: Int[Tensor, " sample"],
        units: Units,
        recipe: Recipe,
        boundary: Sequence[str],
        model: nn.Module,
    ) -> None:
        super().__init__(x, y, criterion, batch_size=batch_size, seed=seed)
        self.units, self.recipe, self.model = units, recipe, model
        device, ndim = x.device, len(boundary)
        self.earlier = earlier.to(device)
        self.noise = BandNoise(y.shape[1], ndim=ndim, amplitude=recipe.noise, boundary=boundary).to(
            device
        )
        self._generator = torch.Generator(device).manual_seed(seed)
        self._drawn, self._true = 0, _NONE

    def batch(self, index: Tensor, progress: float = 0.0) -> Batch:
        """Return moved inputs, and the targets that still lead to the truth."""
        x, y = super().batch(index)
        pushes = self.recipe.pushes(progress)
        moved = self._pushed(x, index) if pushes else x
        self._true = _NONE
        if self.recipe.noise:
            moved, untouched = self._noisy(moved)
            self._true = _NONE if pushes else untouched
        return moved, y if moved is x else self.units.same_goal(x, y, moved)

    def update(self, answer: Field, target: Field) -> None:
        """Learn what the error from true states looks like, where there were any."""
        error = answer[self._true] - target[self._true]
        self.noise.update(self.units.in_state(error))

    def _noisy(self, x: Field) -> tuple[Field, slice]:
        """Return every second input with noise, and which ones have none."""
        # counted over batches, so that a batch of one has its turn of both
        first = self._drawn % 2
        self._drawn += len(x)
        untouched, noisy = slice(first, None, 2), slice(1 - first, None, 2)
        moved = x.clone()
        moved[noisy] = self.noise(x[noisy], self._generator)
        return moved, untouched

    def _pushed(self, x: Field, index: Tensor) -> Field:
        before = self.earlier.index_select(0, index)
        with in_evaluation(self.model):
            pushed = push_forward(
                lambda u: self.units.advance(u, self.model(u)),
                self.x.index_select(0, before),
                fields=self.noise.fields,
            )
        first = (before == index).view(-1, *(1,) * (x.ndim - 1))
        return torch.where(first, x, pushed)
