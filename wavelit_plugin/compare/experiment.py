"""One run of a comparison: build, train, measure. The same for every operator."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.batches import Batches, PerturbedBatches, PlainBatches
from wavelit_plugin.compare.contestants import Contestant, Loss, criterion_of
from wavelit_plugin.compare.cost import forward_flops, inference_seconds, step_bytes
from wavelit_plugin.compare.grid_data import Target, predecessors, task_of, units_of
from wavelit_plugin.compare.matching import parameter_count
from wavelit_plugin.compare.measure import (
    one_step_errors,
    roll_out,
    rolled_trajectories,
    samples,
    validation_error,
)
from wavelit_plugin.compare.records import Step
from wavelit_plugin.compare.request import PLAIN, Recipe, Spend
from wavelit_plugin.compare.store import RunRecord, RunSpec
from wavelit_plugin.compare.training import Report, Trained, Training, step_seconds, train
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import OperatorRecord
from wavelit_plugin.shapes import Field
from wavelit_plugin.stability import cycle_offsets, cycle_shift

Samples = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A model after its training.

    Attributes:
        model: in evaluation mode.
        step: maps physical inputs to physical outputs by it.
        loss: that it was trained by.
        trained: how that went.
    """

    model: nn.Module
    step: Step
    loss: Loss
    trained: Trained


class Experiment:
    """Data on the device, and what all runs have in common.

    Args:
        data: the data set.
        target: what trained operators predict.
        spend: the budget of a training.
        batch_size: samples a step.
        device: where to train.
        recipe: options of the training and of roll-outs.

    Raises:
        ConfigError: the target or the recipe does not suit the data.
    """

    def __init__(
        self,
        data: GridData,
        *,
        target: Target,
        spend: Spend,
        batch_size: int,
        device: str,
        recipe: Recipe = PLAIN,
    ) -> None:
        self.data, self.task = data, task_of(data)
        self.spend, self.batch_size, self.device = spend, batch_size, device
        self.recipe, self._earlier = recipe, _checked(recipe, data)
        self.units = units_of(data, target, device)
        # what repeats the state has no other answer than a state
        self.base = self.units if target == "state" else units_of(data, "state", device)
        x, y = (part.to(device) for part in data.train)
        self.x = self.units.encode(x)
        self.y = self.units.encode_target(x, y)
        self._state = y

    def run(
        self, contestant: Contestant, width: int | None, spec: RunSpec, report: Report
    ) -> tuple[RunRecord, Samples | None]:
        """Do one run; the numbers depend on the specification and the settings alone.

        Also returned are the fields to show, of a run of seed 0 that did not diverge.
        """
        began = time.perf_counter()
        fitted = self.learn(contestant, width, spec, report)
        trained = fitted.trained
        metrics, shown = self._errors(fitted.step, spec, diverged=trained.diverged)
        costs = {
            "steps": trained.steps,
            "training_seconds": trained.seconds,
            "step_seconds": trained.step_seconds,
            **self._costs(contestant.record, fitted.model, fitted.loss),
            "run_seconds": time.perf_counter() - began,
        }
        return RunRecord(spec=spec, metrics=metrics, costs=costs, curve=trained.curve), shown

    def learn(
        self, contestant: Contestant, width: int | None, spec: RunSpec, report: Report
    ) -> TrainedModel:
        """Build and train; the weights depend on the specification and the settings alone."""
        torch.manual_seed(spec.seed)
        model = contestant.record.build(self.task, width).to(self.device)
        loss = self._loss(contestant)
        trained = self._train(contestant.record, model, loss, spec, report)
        model.eval()
        units = self.units if contestant.record.trains else self.base

        def step(x: Tensor) -> Tensor:
            return units.decode(x, model(units.encode(x)))

        return TrainedModel(model=model, step=step, loss=loss, trained=trained)

    def step_seconds(self, record: OperatorRecord, width: int | None) -> float:
        """Return the time of a training step of an operator."""
        torch.manual_seed(0)
        model = record.build(self.task, width).to(self.device)
        loss = self._loss(Contestant(record=record))
        return step_seconds(model, *self._batch(), loss)

    def _loss(self, contestant: Contestant) -> Loss:
        loss = criterion_of(contestant, self.task)
        return loss.to(self.device) if isinstance(loss, nn.Module) else loss

    def _batch(self) -> tuple[Field, Field]:
        return self.x[: self.batch_size], self.y[: self.batch_size]

    def _train(
        self, record: OperatorRecord, model: nn.Module, loss: Loss, spec: RunSpec, report: Report
    ) -> Trained:
        if spec.learning_rate is None:
            return self._fit(record, model)
        how = Training(
            spend=self.spend,
            learning_rate=spec.learning_rate,
            fine_tuning=self.recipe.push_forward,
        )
        fit = record.fit
        prepare = None if fit is None else lambda: fit(model, self.x, self.y)
        batches = self._batches(model, loss, spec.seed)
        self._warm_up(model, loss)
        return train(model, batches, how, prepare=prepare, report=report)

    def _batches(self, model: nn.Module, loss: Loss, seed: int) -> Batches:
        samples = (self.x, self.y, loss)
        if not self.recipe.trains:
            return PlainBatches(*samples, batch_size=self.batch_size, seed=seed)
        return PerturbedBatches(
            *samples,
            batch_size=self.batch_size,
            seed=seed,
            earlier=self._earlier,
            units=self.units,
            recipe=self.recipe,
            boundary=self.task.boundary,
            model=model,
        )

    def _warm_up(self, model: nn.Module, loss: Loss) -> None:
        """Train a copy for some steps: what a GPU does once in a process is in no budget."""
        if torch.device(self.device).type == "cpu":
            return
        with torch.random.fork_rng(devices=[self.device]):
            step_seconds(copy.deepcopy(model), *self._batch(), copy.deepcopy(loss), repeats=1)

    def _fit(self, record: OperatorRecord, model: nn.Module) -> Trained:
        """Fit in closed form what predicts states."""
        start = time.perf_counter()
        if record.fit is not None:
            x = self.data.train.x.to(self.device)
            record.fit(model, self.x, self.base.encode_target(x, self._state))
        seconds = time.perf_counter() - start
        return Trained(steps=0, seconds=seconds, step_seconds=None, curve=(), diverged=False)

    def wrapped(self, step: Step) -> Step:
        """Return the step of one roll-out."""
        if not self.recipe.cycle_shift:
            return step
        return cycle_shift(step, boundary=self.task.boundary, cell=self.recipe.cycle_shift)

    def _errors(
        self, step: Step, spec: RunSpec, *, diverged: bool
    ) -> tuple[dict[str, Any], Samples | None]:
        test = rolled_trajectories(self.data)
        validation = None if diverged else validation_error(step, self.data.valid, self.device)
        if validation is None:
            return _nothing(self.data, test is not None), None
        one = one_step_errors(step, self.data, self.base.encode_state, device=self.device)
        rollout, rolled = (
            (None, None)
            if test is None
            else roll_out(step, test, self.device, wrapped=self.wrapped)
        )
        shown = samples(step, self.data, rolled, device=self.device) if spec.seed == 0 else None
        return {"validation": validation, **one, "rollout": rollout, "diverged": False}, shown

    def _costs(self, record: OperatorRecord, model: nn.Module, loss: Loss) -> dict[str, Any]:
        x, y = self._batch()
        return {
            "parameters": parameter_count(model),
            "inference_seconds": inference_seconds(model, x),
            "peak_bytes": step_bytes(model, x, y, loss) if record.trains else None,
            "flops": forward_flops(model, x),
        }


def _checked(recipe: Recipe, data: GridData) -> Tensor:
    """Return the predecessors of the samples, if the recipe asks for them; ConfigError if not."""
    if recipe.as_plain() and not data.continues:
        raise ConfigError(
            f"options for roll-outs ({', '.join(recipe.as_plain())}) need data that continue their "
            f"inputs, and {data.name} do not; leave them out"
        )
    if recipe.cycle_shift:
        cycle_offsets(data.boundary, recipe.cycle_shift)
    itself = torch.arange(len(data.train.x))
    earlier = predecessors(data.train) if recipe.push_forward else itself
    if recipe.push_forward and torch.equal(earlier, itself):
        raise ConfigError(
            f"push-forward needs trajectories of at least 3 frames, and no sample of {data.name} "
            "follows another; use longer trajectories or leave it out"
        )
    return earlier


def _nothing(data: GridData, rolls_out: bool) -> dict[str, Any]:
    """Return the errors of a run that diverged: none is known."""
    frames = 0 if data.trajectories is None else data.trajectories.fields.shape[1]
    return {
        "validation": None,
        "one_step": None,
        "relative_l2": None,
        "fields": dict.fromkeys(data.fields),
        "rollout": (None,) * (frames - 1) if rolls_out else None,
        "spectrum": None,
        "diverged": True,
    }
