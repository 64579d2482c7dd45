"""Do what is missing of a transfer matrix, beside whoever else does the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.comparison import Progress, Watcher
from wavelit_plugin.compare.evaluate import persistence
from wavelit_plugin.compare.grid_data import facts
from wavelit_plugin.compare.matching import parameter_count
from wavelit_plugin.compare.measure import one_step_errors, roll_out, rolled_trajectories
from wavelit_plugin.compare.records import Step
from wavelit_plugin.compare.request import Spend
from wavelit_plugin.compare.results import hardware, versions
from wavelit_plugin.compare.store import WAITING, RunRecord, RunSpec, RunStore, planning, slug
from wavelit_plugin.compare.training import POLICY, Report, Trained, Training, train
from wavelit_plugin.compare.transfer.batches import JointBatches
from wavelit_plugin.compare.transfer.datasets import TransferDataset, read_datasets
from wavelit_plugin.compare.transfer.matrix import Cell, Matrix, matrix_of
from wavelit_plugin.compare.transfer.plan import Plan, PlannedTraining
from wavelit_plugin.compare.transfer.request import (
    COLUMNS,
    LEFT_OUT,
    PERSISTENCE,
    TransferRequest,
)
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.files import make_folder
from wavelit_plugin.model import JointWaveLiT
from wavelit_plugin.model.members import unknown_names

MODELS = "models"

_DIVERGED = "its training diverged"


def transfer(request: TransferRequest, watcher: Watcher, *, command: Sequence[str] = ()) -> Matrix:
    """Do the trainings that are missing in the request's folder; return the matrix.

    Several processes with the same request share the trainings.

    Args:
        request: what to train and measure.
        watcher: told how it goes.
        command: recorded in the plan.

    Raises:
        ConfigError: an unknown name, data sets that do not go together, or a folder with results of
            other settings.
        DataError: data or results cannot be read.
    """
    datasets = read_datasets(request.data, request.device, stream=request.stream)
    request.check_names(one.name for one in datasets)
    with planning(request.out):
        store = RunStore(request.out, _settings(request, datasets), what="a transfer matrix")
        asked = {*store.plan.get("columns", ()), *request.wanted()}
        columns = [name for name in COLUMNS if name in asked]
        told = {"command": list(command), "columns": columns, "hardware": hardware(request.device)}
        store.write_plan(told)
    runs = _Runs(request, datasets, store, watcher)
    done = {run.spec: run for run in store.work(runs.plan.missing, runs.do, runs.wait)}
    return matrix_of(store.plan, runs.cells(columns, done))


class _Runs:
    """Trains and measures; what a run gives depends on its specification and the settings alone."""

    def __init__(
        self,
        request: TransferRequest,
        datasets: Sequence[TransferDataset],
        store: RunStore,
        watcher: Watcher,
    ) -> None:
        self.request, self.store, self.watcher = request, store, watcher
        self.datasets = {one.name: one for one in datasets}
        self.members = {one.name: one.member(request.preset, request.width) for one in datasets}
        lacking = {
            name: unknown_names((m for n, m in self.members.items() if n != name), member)
            for name, member in self.members.items()
        }
        self.plan = Plan(request=request, names=tuple(self.members), lacking=lacking)
        self.trainings = {one.name: one for one in self.plan.trainings()}

    def do(self, spec: RunSpec) -> RunRecord:
        """Train, keep the model, and measure it."""
        report = self._report(spec)
        report(0.0, None)
        training = self.trainings[spec.label]
        if training.name == PERSISTENCE:
            errors = {
                name: self._errors(one, persistence(len(one.data.fields)))
                for name, one in self.datasets.items()
            }
            return _untrained(spec, errors, diverged=False)
        joint = self._start(training, spec.seed)
        if joint is None:
            return _untrained(spec, {}, diverged=True)
        trained = self._train(joint, training, spec, report)
        errors = {}
        if not trained.diverged:
            make_folder(self.store.folder / MODELS)
            joint.save(self._model(training, spec.seed))
            errors = self._measured(joint, training)
        self._state(spec).unlink(missing_ok=True)
        costs = {
            "steps": trained.steps,
            "training_seconds": trained.seconds,
            "parameters": parameter_count(joint),
        }
        metrics = {"errors": errors, "diverged": trained.diverged}
        return RunRecord(spec=spec, metrics=metrics, costs=costs, curve=trained.curve)

    def cells(self, columns: Sequence[str], done: Mapping[RunSpec, RunRecord]) -> list[Cell]:
        """Return the cells whose runs are done, column by column, by seed."""
        seeds = range(1 + max((spec.seed for spec in done), default=0))
        every = ((c, name, seed) for c in columns for name in self.plan.names for seed in seeds)
        found = (self._cell(*place, done) for place in every)
        return [cell for cell in found if cell is not None]

    def wait(self) -> None:
        """Say that others do what is missing."""
        self._report(None)(0.0, None)

    def _cell(
        self, column: str, name: str, seed: int, done: Mapping[RunSpec, RunRecord]
    ) -> Cell | None:
        training = self.plan.training(column, name)
        cell = Cell(data_set=name, column=column, seed=seed)
        if column == LEFT_OUT and (unknown := self.plan.lacking[name]):
            return replace(cell, note=f"no other data set has {', '.join(unknown)}")
        run = done.get(training.spec(seed))
        if run is None:
            return None
        own, other = training.counted(self.request, seed, name)
        errors = run.metrics["errors"].get(name)
        note = _DIVERGED if errors is None else ""
        return replace(
            cell,
            own_steps=own,
            other_steps=other,
            one_step=errors and errors["one_step"],
            rollout=tuple(errors["rollout"]) if errors else (),
            note=note,
        )

    def _start(self, training: PlannedTraining, seed: int) -> JointWaveLiT | None:
        """Return what a training starts from: new weights, or its source's unless it diverged."""
        source, joint = training.source, None
        if source is not None:
            runs = {run.spec: run for run in self.store.records()}
            if runs[source.spec(seed)].metrics["diverged"]:
                return None
            joint = JointWaveLiT.load(self._model(source, seed)).to(self.request.device)
        torch.manual_seed(seed)
        if joint is None:
            joint = JointWaveLiT({name: self.members[name] for name in training.data_sets})
            joint = joint.to(self.request.device)
            added = training.data_sets
        else:
            added = tuple(name for name in training.data_sets if name not in joint.members)
            for name in added:
                joint.add_member(name, self.members[name])
        for name in added:
            self.datasets[name].measure(joint)
        return joint

    def _train(
        self, joint: JointWaveLiT, training: PlannedTraining, spec: RunSpec, report: Report
    ) -> Trained:
        asked, steps = self.request, training.steps(self.request)
        batches = JointBatches(
            tuple(self.datasets.values()),
            training.weights(asked),
            steps=steps,
            batch_size=asked.batch_size,
            seed=spec.seed,
        )
        how = Training(
            spend=Spend(steps=steps),
            learning_rate=asked.fine_tune_rate if training.source else asked.learning_rate,
            save_every=asked.save_every,
        )
        return train(joint, batches, how, state=self._state(spec), report=report)

    def _measured(self, joint: JointWaveLiT, training: PlannedTraining) -> dict[str, Any]:
        """Return the errors of a model, also on a data set that it was not trained on."""
        found = {}
        for name in self.plan.measured(training):
            dataset = self.datasets[name]
            if name not in joint.members:
                joint.adopt(name, self.members[name])
                dataset.measure(joint)
            found[name] = self._errors(dataset, joint.member(name).eval())
        return found

    def _errors(self, dataset: TransferDataset, step: Step) -> dict[str, Any]:
        device = self.request.device
        one = one_step_errors(step, dataset.data, dataset.units.encode_state, device=device)
        test = rolled_trajectories(dataset.data)
        if test is None:  # static data are refused when they are read
            raise ConfigError(f"{dataset.name} has no trajectories to roll out; leave it out")
        rolled, _ = roll_out(step, test, device)
        return {**one, "rollout": rolled}

    def _model(self, training: PlannedTraining, seed: int) -> Path:
        """Return where the model of a training is, or will be."""
        return self.store.folder / MODELS / f"{slug(training.name)}-seed{seed}.safetensors"

    def _state(self, spec: RunSpec) -> Path:
        return self.store.path(spec, ".state")

    def _report(self, spec: RunSpec | None) -> Callable[[float, float | None], None]:
        """Return what tells the watcher how a run goes, and how long all of them take."""
        seeds = range(self.request.seeds)
        every = {
            one.spec(seed): one.steps(self.request)
            for one in self.trainings.values()
            for seed in seeds
        }
        mine = [run for run in self.store.records() if run.spec in every]
        steps, seconds = (
            sum(run.costs[name] for run in mine) for name in ("steps", "training_seconds")
        )
        left = sum(every.values()) - sum(every[run.spec] for run in mine)

        def tell(share: float, loss: float | None) -> None:
            ahead = left - share * (0 if spec is None else every[spec])
            self.watcher.runs(
                Progress(
                    done=len(mine),
                    total=len(every),
                    share=share,
                    what=WAITING if spec is None else str(spec),
                    loss=loss,
                    seconds_left=ahead * seconds / steps if steps else None,
                )
            )

        return tell


def _untrained(spec: RunSpec, errors: dict[str, Any], *, diverged: bool) -> RunRecord:
    return RunRecord(
        spec=spec,
        metrics={"errors": errors, "diverged": diverged},
        costs={"steps": 0, "training_seconds": 0.0, "parameters": 0},
    )


def _settings(request: TransferRequest, datasets: Sequence[TransferDataset]) -> dict[str, Any]:
    """Return what the numbers depend on."""
    packages = versions()
    del packages["python"]  # an update of it changes no number
    return {
        "data": {one.name: facts(one.data, Path(one.name)) for one in datasets},
        "model": {
            one.name: one.member(request.preset, request.width).as_plain() for one in datasets
        },
        "training": {
            "steps": request.steps,
            "fine_tune_steps": request.fine_tune_steps,
            "batch_size": request.batch_size,
            "learning_rate": request.learning_rate,
            "fine_tune_rate": request.fine_tune_rate,
            "weights": {one.name: request.weights.get(one.name, 1.0) for one in datasets},
            "policy": POLICY,
        },
        "waves": list(request.waves),
        "flows": list(request.flows),
        "versions": packages,
    }
