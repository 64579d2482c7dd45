"""Do what is missing of a transfer matrix: resumable after a kill at any point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.comparison import Progress, Watcher
from wavelit_plugin.compare.evaluate import persistence
from wavelit_plugin.compare.grid_data import facts
from wavelit_plugin.compare.matching import parameter_count
from wavelit_plugin.compare.measure import one_step_errors, roll_out, rolled_trajectories
from wavelit_plugin.compare.records import Step
from wavelit_plugin.compare.results import hardware, versions
from wavelit_plugin.compare.training import POLICY
from wavelit_plugin.compare.transfer.joint_training import Course, Outcome, train_joint
from wavelit_plugin.compare.transfer.ledger import FORMAT, CellLine, Ledger, TrainingLine
from wavelit_plugin.compare.transfer.lessons import Cell, Lesson, cells, lessons
from wavelit_plugin.compare.transfer.matrix import Matrix, matrix_of
from wavelit_plugin.compare.transfer.request import LEFT_OUT, TransferRequest
from wavelit_plugin.compare.transfer.subjects import Subject, read_subjects
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.files import locked
from wavelit_plugin.model import JointWaveLiT
from wavelit_plugin.model.members import unknown_names

_DIVERGED = "its training diverged"


def transfer(request: TransferRequest, watcher: Watcher, *, command: Sequence[str] = ()) -> Matrix:
    """Do the trainings and the cells that are missing in the request's folder; return the matrix.

    Args:
        request: what to train and measure.
        watcher: told how it goes.
        command: recorded in the plan.

    Raises:
        ConfigError: an unknown name, data sets that do not go together, a folder with results of
            other settings or in use by another process.
        DataError: data or results cannot be read.
    """
    subjects = read_subjects(request.data, request.device, stream=request.stream)
    names = [subject.name for subject in subjects]
    request.check_names(names)
    found = cells(request, names)
    with locked(request.out):
        ledger = Ledger(request.out, _plan(request, subjects, command))
        school = _School(request, subjects, ledger, watcher, found)
        for seed in range(request.seeds):
            for cell in found:
                if (cell.data_set, cell.column, seed) not in ledger.cells():
                    ledger.add(school.cell(cell, seed))
        return matrix_of(ledger.plan, tuple(ledger.cells().values()))


class _School:
    """Trains and measures; what a training or a cell gives depends on it and its seed alone."""

    def __init__(
        self,
        request: TransferRequest,
        subjects: Sequence[Subject],
        ledger: Ledger,
        watcher: Watcher,
        found: Sequence[Cell],
    ) -> None:
        self.request, self.ledger, self.watcher = request, ledger, watcher
        self.subjects = {subject.name: subject for subject in subjects}
        self.members = {s.name: s.member(request.preset, request.width) for s in subjects}
        self.lessons = lessons([cell for cell in found if not self._unknown(cell)])

    def cell(self, cell: Cell, seed: int) -> CellLine:
        """Return a finished cell; its training is done first if it is missing."""
        subject = self.subjects[cell.data_set]
        line = partial(CellLine, data_set=cell.data_set, column=cell.column, seed=seed)
        if cell.lesson is None:
            return line(**self._errors(subject, persistence(len(subject.data.fields))))
        if unknown := self._unknown(cell):
            return line(fields={}, note=f"no other data set has {', '.join(unknown)}")
        own, other = self._steps(cell.lesson, cell.data_set, seed)
        line = partial(line, own_steps=own, other_steps=other)
        joint = self.train(cell.lesson, seed)
        if joint is None:
            return line(fields={}, note=_DIVERGED)
        if cell.column == LEFT_OUT:
            joint.adopt(cell.data_set, self.members[cell.data_set])
            subject.measure(joint)
        return line(**self._errors(subject, joint.member(cell.data_set).eval()))

    def _unknown(self, cell: Cell) -> tuple[str, ...]:
        """Return the names that a data set that was left out would need weights for."""
        if cell.column != LEFT_OUT or cell.lesson is None:
            return ()
        others = (self.members[name] for name in cell.lesson.data_sets)
        return unknown_names(others, self.members[cell.data_set])

    def train(self, lesson: Lesson, seed: int) -> JointWaveLiT | None:
        """Return the model of a lesson, on the device; None if it diverged."""
        done = self.ledger.trainings().get((lesson.name, seed))
        path, state = self.ledger.model(lesson.name, seed), self.ledger.state(lesson.name, seed)
        if done is not None:
            return None if done.diverged else JointWaveLiT.load(path).to(self.request.device)
        joint = self._start(lesson, seed)
        if joint is None:
            return None
        outcome = train_joint(
            joint,
            tuple(self.subjects.values()),
            self._course(lesson, seed),
            state,
            self._report(lesson, seed),
        )
        if not outcome.diverged:
            joint.save(path)
        self.ledger.add(_line(lesson, seed, outcome, parameter_count(joint)))
        state.unlink(missing_ok=True)
        return None if outcome.diverged else joint

    def _start(self, lesson: Lesson, seed: int) -> JointWaveLiT | None:
        """Return what a training starts from: new weights, or those of its source."""
        joint = None if lesson.source is None else self.train(lesson.source, seed)
        if lesson.source is not None and joint is None:
            return None
        torch.manual_seed(seed)
        if joint is None:
            joint = JointWaveLiT({name: self.members[name] for name in lesson.data_sets})
            joint = joint.to(self.request.device)
            added = lesson.data_sets
        else:
            added = tuple(name for name in lesson.data_sets if name not in joint.members)
            for name in added:
                joint.add_member(name, self.members[name])
        for name in added:
            self.subjects[name].measure(joint)
        return joint

    def _course(self, lesson: Lesson, seed: int) -> Course:
        asked, tuned = self.request, lesson.source is not None
        return Course(
            weights={name: asked.weights.get(name, 1.0) for name in lesson.data_sets},
            steps=(asked.fine_tune_steps if tuned else asked.steps) * len(lesson.data_sets),
            batch_size=asked.batch_size,
            learning_rate=asked.fine_tune_rate if tuned else asked.learning_rate,
            seed=seed,
            save_every=asked.save_every,
        )

    def _steps(self, lesson: Lesson, name: str, seed: int) -> tuple[int, int]:
        """Return how many steps on this data set, and on others, led to a model."""
        order = self._course(lesson, seed).order()
        own, other = order.count(name), sum(step != name for step in order)
        if lesson.source is None:
            return own, other
        before = self._steps(lesson.source, name, seed)
        return own + before[0], other + before[1]

    def _errors(self, subject: Subject, step: Step) -> dict[str, Any]:
        device = self.request.device
        one = one_step_errors(step, subject.data, subject.units.encode_state, device=device)
        test = rolled_trajectories(subject.data)
        if test is None:  # static data are refused when they are read
            raise ConfigError(f"{subject.name} has no trajectories to roll out; leave it out")
        rolled, _ = roll_out(step, test, device)
        return {"one_step": one["one_step"], "fields": one["fields"], "rollout": rolled}

    def _report(self, lesson: Lesson, seed: int) -> Callable[[float, float | None], None]:
        """Return what tells the watcher how a training goes, and how long all of them take."""
        seeds = range(self.request.seeds)
        every = {(x.name, s): self._course(x, s).steps for x in self.lessons for s in seeds}
        done = self.ledger.trainings()
        mine = [line for key, line in done.items() if key in every]
        steps, seconds = sum(x.steps for x in mine), sum(x.seconds for x in mine)
        left = sum(count for key, count in every.items() if key not in done)

        def tell(share: float, loss: float | None) -> None:
            ahead = left - share * every[lesson.name, seed]
            self.watcher.runs(
                Progress(
                    done=len(mine),
                    total=len(every),
                    share=share,
                    what=f"{lesson.name}, seed {seed}",
                    loss=loss,
                    seconds_left=ahead * seconds / steps if steps else None,
                )
            )

        tell(0.0, None)
        return tell


def _line(lesson: Lesson, seed: int, outcome: Outcome, parameters: int) -> TrainingLine:
    return TrainingLine(lesson=lesson.name, seed=seed, parameters=parameters, **vars(outcome))


def _plan(
    request: TransferRequest, subjects: Sequence[Subject], command: Sequence[str]
) -> dict[str, Any]:
    packages = versions()
    del packages["python"]  # an update of it changes no number
    return {
        "format": FORMAT,
        "command": list(command),
        "data": {s.name: _facts(s) for s in subjects},
        "model": {s.name: s.member(request.preset, request.width).as_plain() for s in subjects},
        "training": {
            "steps": request.steps,
            "fine_tune_steps": request.fine_tune_steps,
            "batch_size": request.batch_size,
            "learning_rate": request.learning_rate,
            "fine_tune_rate": request.fine_tune_rate,
            "weights": {s.name: request.weights.get(s.name, 1.0) for s in subjects},
            "policy": POLICY,
        },
        "columns": list(request.wanted()),
        "waves": list(request.waves),
        "flows": list(request.flows),
        "hardware": hardware(request.device),
        "versions": packages,
    }


def _facts(subject: Subject) -> dict[str, Any]:
    found = facts(subject.data, Path())
    del found["source"]  # data may move
    return found
