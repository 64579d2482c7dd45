"""Do what is missing of a comparison: resumable after a kill at any point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.contestants import Contestant, able, find_contestants
from wavelit_plugin.compare.grid_data import Target, facts, relative_change, task_of
from wavelit_plugin.compare.ledger import Ledger
from wavelit_plugin.compare.plan import Entry, Job, Plan
from wavelit_plugin.compare.request import SIZE, TRAJECTORIES, CompareRequest
from wavelit_plugin.compare.results import hardware, versions
from wavelit_plugin.compare.runs import Comparison
from wavelit_plugin.compare.study import Study
from wavelit_plugin.compare.training import policy_of
from wavelit_plugin.compare.widths import matched_width, reference_seconds
from wavelit_plugin.data import PROBLEMS, DataRequest, make_dataset
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.errors import ConfigError, HostError, unknown_name
from wavelit_plugin.files import locked
from wavelit_plugin.plugins import operators
from wavelit_plugin.plugins.types import OperatorRecord

DATA = "data"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where the whole comparison stands.

    Attributes:
        done: finished runs.
        total: runs in all.
        share: of the run in progress that is done, 0 to 1.
        what: which run that is.
        loss: its training loss; None before the first.
        seconds_left: an estimate for all that is left; None before there is one.
    """

    done: int
    total: int
    share: float
    what: str
    loss: float | None
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """Who is told what happens.

    Attributes:
        data: called with (done, total, what) while data are made.
        runs: called with every step of a training.
        warn: called with a line that the user should read.
    """

    data: Callable[[int, int, str], None]
    runs: Callable[[Progress], object]
    warn: Callable[[str], object]


def compare(
    request: CompareRequest, watcher: Watcher, *, command: Sequence[str] = ()
) -> Comparison:
    """Do the runs that are missing in the request's folder; return all of them.

    A run counts once its line is in the folder. A process that is killed, or interrupted, loses the
    run in progress and nothing else: the same request goes on from there.

    Args:
        request: what to compare.
        watcher: told how it goes.
        command: recorded in the plan.

    Raises:
        ConfigError: an unknown name, a value that does not suit the data or an operator, a folder
            with runs of other settings or in use by another process.
        DataError: data or records cannot be read.
        HostError: an operator cannot be had here, or failed; the others were then done first.
    """
    contestants = able(
        find_contestants(request.operators),
        lambda record: record.missing(),
        skip=request.skip_missing,
        warn=watcher.warn,
    )
    with locked(request.out):
        data, source = _load_data(request, watcher)
        task = task_of(data)
        contestants = able(
            contestants,
            lambda record: record.takes(task),
            skip=request.skip_missing,
            warn=watcher.warn,
        )
        target = target_of(data, request)
        ledger = Ledger(request.out, _common(request, data, source, target))
        study = Study(
            data,
            target=target,
            spend=request.spend,
            batch_size=request.batch_size,
            device=request.device,
            settings=ledger.settings,
            recipe=request.recipe,
        )
        contestants, widths = _sized(contestants, ledger, study, request, watcher)
        ledger.write_plan(
            command,
            request.seeds,
            widths,
            {c.label: c.rates(request.lr_grid) for c in contestants},
            {c.label: c.record.ecosystem for c in contestants},
        )
        _run_all(contestants, ledger, study, request, watcher)
        return ledger.load()


def target_of(data: GridData, request: CompareRequest) -> Target:
    """Return what trained operators predict: the change where it is the smaller quantity."""
    if request.predict != "auto":
        return request.predict
    change = relative_change(data)
    return "change" if change is not None and change < 1 else "state"


def _load_data(request: CompareRequest, watcher: Watcher) -> tuple[GridData, Path]:
    path = Path(request.data)
    if request.data not in PROBLEMS:
        for name in ("size", "trajectories"):
            if getattr(request, name) is not None:
                raise ConfigError(
                    f"{name} is for problems that are simulated, not for data in a folder; leave "
                    "it out"
                )
        if not path.exists() and path.name == request.data:
            raise unknown_name("folder or problem", request.data, PROBLEMS)
        return read_grid_data(path), path
    asked = DataRequest(
        out=request.out / DATA,
        problem=request.data,
        size=SIZE if request.size is None else request.size,
        trajectories=TRAJECTORIES if request.trajectories is None else request.trajectories,
        device=request.device,
    )
    make_dataset(asked, watcher.data)
    path = asked.out / f"{asked.problem}_{asked.size}"
    return read_grid_data(path), path


def _common(
    request: CompareRequest, data: GridData, source: Path, target: Target
) -> dict[str, Any]:
    """Return the facts that all runs of a folder share, named in ``ledger.SAME``."""
    machine, packages = hardware(request.device), versions()
    del machine["system"], packages["python"]  # an update of these changes no number
    return {
        "data": facts(data, source),
        "budget": request.spend.as_plain(),
        "batch_size": request.batch_size,
        "match": request.match.as_text(),
        "predict": target,
        "policy": policy_of(request.recipe),
        "hardware": machine,
        "versions": packages,
    }


def _sized(
    contestants: Sequence[Contestant],
    ledger: Ledger,
    study: Study,
    request: CompareRequest,
    watcher: Watcher,
) -> tuple[tuple[Contestant, ...], dict[str, int | None]]:
    """Return who can be matched, and the width of each; widths that are known stay."""
    known = {c.record.name: ledger.widths[c.label] for c in contestants if c.label in ledger.widths}
    reference: list[float] = []

    def seconds(record: OperatorRecord, width: int | None) -> float:
        if not reference:
            reference.append(reference_seconds(operators(), study.step_seconds))
        return study.step_seconds(record, width) / reference[0]

    def refusal(record: OperatorRecord) -> str | None:
        if record.name not in known:
            try:
                known[record.name] = matched_width(record, study.task, request.match, seconds)
            except ConfigError as error:
                return str(error)
        return None

    fitting = able(contestants, refusal, skip=request.skip_missing, warn=watcher.warn)
    return fitting, {c.label: known[c.record.name] for c in fitting}


def _run_all(
    contestants: Sequence[Contestant],
    ledger: Ledger,
    study: Study,
    request: CompareRequest,
    watcher: Watcher,
) -> None:
    """Do all runs; an operator that fails is left alone, and named when the others are done."""
    failed: dict[str, str] = {}
    by_label = {c.label: c for c in contestants}
    while True:
        runs = ledger.load().runs
        entries = (
            Entry(label=label, rates=c.rates(request.lr_grid))
            for label, c in by_label.items()
            if label not in failed
        )
        plan = Plan(entries=tuple(entries), seeds=request.seeds)
        job = next(plan.missing(runs), None)
        if job is None:
            break
        report = partial(_tell, watcher, Tally.of(plan, runs, job))
        report(0.0, None)
        width = ledger.widths[job.label]
        try:
            done = study.run(by_label[job.label], width, job, report)
        except (RuntimeError, ValueError) as error:  # of somebody else's module
            failed[job.label] = str(error).strip().partition("\n")[0] or type(error).__name__
            watcher.warn(f"{job.label} failed and is left alone: {failed[job.label]}")
        else:
            ledger.add(done)
    if failed:
        reasons = "; ".join(f"{label}: {reason}" for label, reason in failed.items())
        raise HostError(
            f"{reasons}; the other operators are done and kept, see wavelit report {request.out}"
        )


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Where the plan stands before a run."""

    done: int
    total: int
    what: str
    seconds_left: float | None
    run_seconds: float | None

    @classmethod
    def of(cls, plan: Plan, runs: Sequence[Any], job: Job) -> Tally:
        """Count, and estimate."""
        left = plan.left(runs)
        mine = [run for run in runs if run.label in left]
        own = [run.run_seconds for run in mine if run.label == job.label]
        own = own or [run.run_seconds for run in mine]
        rate = "" if job.learning_rate is None else f", rate {job.learning_rate:g}"
        return cls(
            done=len(mine),
            total=len(mine) + sum(left.values()),
            what=f"{job.label}{rate}, seed {job.seed}",
            seconds_left=plan.seconds_left(mine),
            run_seconds=sum(own) / len(own) if own else None,
        )


def _tell(watcher: Watcher, tally: Tally, share: float, loss: float | None) -> None:
    left = tally.seconds_left
    if left is not None and tally.run_seconds is not None:
        left = max(0.0, left - share * tally.run_seconds)
    watcher.runs(
        Progress(
            done=tally.done,
            total=tally.total,
            share=share,
            what=tally.what,
            loss=loss,
            seconds_left=left,
        )
    )
