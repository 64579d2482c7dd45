"""From a checkpoint and data to the table of errors, one trajectory a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wavelit_plugin.compare.evaluation import summary
from wavelit_plugin.compare.evaluation.bands import Bands
from wavelit_plugin.compare.evaluation.checkpoints import Model, load_model
from wavelit_plugin.compare.evaluation.predictors import MODEL, Predictor, baselines
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.compare.evaluation.scores import Ruler, Scores, measure
from wavelit_plugin.compare.evaluation.shown import Shown, read_shown, write_shown
from wavelit_plugin.compare.evaluation.summary import Row
from wavelit_plugin.compare.evaluation.trajectories import checked_trajectories, rollout_steps
from wavelit_plugin.compare.grid_data import facts
from wavelit_plugin.compare.results import hardware, versions
from wavelit_plugin.compare.shells import Shells
from wavelit_plugin.compare.store import RunRecord, RunSpec, RunStore, all_of, clear, planning
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.files import write_file, write_json
from wavelit_plugin.plugins.datasets import Trajectories

TABLE, SUMMARY = "errors.csv", "summary.json"
EVALUATION = "an evaluation"
Found = Mapping[str, Scores]
"""The scores of each predictor on a trajectory."""

Watch = Callable[[int, int, str], None]
"""Progress: ``watch(done, total, what)``."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was found and written.

    Attributes:
        plan: what was evaluated on what.
        rows: the table.
        found: the scores of each predictor, one mapping a trajectory.
        shown: a roll-out to look at.
        table: the CSV file.
        record: the JSON file.
    """

    plan: dict[str, Any]
    rows: tuple[Row, ...]
    found: Sequence[Found]
    shown: Shown
    table: Path
    record: Path

    def as_plain(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return {
            "plan": self.plan,
            "rows": summary.as_plain(self.rows),
            "files": [str(self.table), str(self.record)],
        }


@dataclass(frozen=True, kw_only=True)
class _Task:
    """Everything that is loaded."""

    request: EvaluationRequest
    data: GridData
    test: Trajectories
    model: Model
    steps: int

    @property
    def predictors(self) -> tuple[Predictor, ...]:
        """The model and the baselines."""
        frames, device = self.model.frames, self.request.device
        model = Predictor(name=MODEL, step=self.model.step, frames=frames)
        return (model, *baselines(self.data, frames=frames, device=device))

    @property
    def ruler(self) -> Ruler:
        """What the predictors are measured with."""
        device, size = self.request.device, self.data.size
        return Ruler(
            bands=Bands(size, device=device),
            shells=Shells(size, self.data.boundary, device=device),
            deviation=_deviation(self.data.train.y).to(device),
            steps=self.steps,
        )


def evaluate_model(request: EvaluationRequest, watch: Watch) -> Evaluation:
    """Evaluate a checkpoint on test trajectories; finished trajectories are kept and not repeated.

    Several processes with the same request share the trajectories.

    Raises:
        DataError: the data or the checkpoint are damaged or do not go together, or NaN in them.
        ConfigError: frames, steps or constants that do not go together, or a folder that holds
            another evaluation.
    """
    data = read_grid_data(request.data)
    test = checked_trajectories(data, request.data)
    model = load_model(request, data)
    steps = rollout_steps(test, model.frames, request.steps)
    task = _Task(request=request, data=data, test=test, model=model, steps=steps)
    with planning(request.out):
        if request.overwrite:
            clear(request.out, EVALUATION)
        advice = "use another folder, or --overwrite to start again"
        store = RunStore(request.out, _settings(task), what=EVALUATION, advice=advice)
        store.write_plan({"hardware": hardware(request.device), "versions": versions()})
    return _written(task, store.plan, _measure_all(task, store, watch))


def _measure_all(task: _Task, store: RunStore, watch: Watch) -> list[Found]:
    total, predictors, ruler = len(task.test.fields), task.predictors, task.ruler
    numbers = {RunSpec(label=f"trajectory {number}"): number for number in range(total)}

    def do(spec: RunSpec) -> RunRecord:
        watch(len(store.records()), total, "trajectories")
        number = numbers[spec]
        truth, constants = (
            part[number].to(task.request.device) for part in (task.test.fields, task.test.constants)
        )
        measured = {one.name: measure(one, truth, constants, ruler) for one in predictors}
        if number == 0:
            write_shown(task.request.out, measured[MODEL][1])
        plain = {name: scores.as_plain() for name, (scores, _) in measured.items()}
        return RunRecord(spec=spec, metrics=plain)

    runs = {run.spec: run for run in store.work(all_of(numbers), do)}
    watch(total, total, "trajectories")
    every = [runs[spec].metrics for spec in numbers]
    return [{n: Scores.from_plain(values) for n, values in one.items()} for one in every]


def _written(task: _Task, plan: dict[str, Any], found: Sequence[Found]) -> Evaluation:
    table = summary.rows(found, task.data.fields)
    growth = {name: summary.growth([one[name] for one in found]) for name in plan["predictors"]}
    record = {**plan, "rows": summary.as_plain(table), "rollout_vrmse_by_step": growth}
    out, first = task.request.out, task.model.frames
    truth = task.test.fields[0, first : first + task.steps]
    write_json(out / SUMMARY, record)
    return Evaluation(
        plan=plan,
        rows=table,
        found=found,
        shown=read_shown(out, task.data.fields, truth),
        table=write_file(out / TABLE, summary.csv_text(table)),
        record=out / SUMMARY,
    )


def _settings(task: _Task) -> dict[str, Any]:
    """Return what the numbers depend on."""
    request = task.request
    return {
        "checkpoint": {
            "name": request.checkpoint.name,
            "format": task.model.format,
            "build": request.build,
            "normalised": request.normalised,
            "parameters": task.model.parameters,
            "sha256": _digest(request.checkpoint),
        },
        "data": facts(task.data, request.data),
        "device": request.device,
        "frames": task.model.frames,
        "steps": task.steps,
        "predictors": [predictor.name for predictor in task.predictors],
    }


def _digest(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder."""
    state = hashlib.sha256()
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_file():
            state.update(os.fsencode(part.name))
            with part.open("rb") as file:
                for block in iter(lambda: file.read(2**20), b""):
                    state.update(block)
    return state.hexdigest()


def _deviation(y: Tensor) -> Tensor:
    """Return the standard deviation of each field, (1, field, 1, ...); a constant's is 1."""
    centred = y.flatten(2).transpose(0, 1).flatten(1).double()
    std = centred.std(dim=1, unbiased=False).float()
    return std.where(std > 0, 1.0).view(1, -1, *(1,) * (y.ndim - 2))
