"""Do what is missing of a comparison, beside whoever else does the same."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.contestants import Contestant, able, find_contestants
from wavelit_plugin.compare.experiment import Experiment
from wavelit_plugin.compare.grid_data import Target, facts, relative_change, task_of
from wavelit_plugin.compare.plan import Plan, PlannedOperator
from wavelit_plugin.compare.request import SIZE, TRAJECTORIES, CompareRequest
from wavelit_plugin.compare.results import hardware, versions
from wavelit_plugin.compare.runs import COMPARISON, Comparison, keep_samples
from wavelit_plugin.compare.store import RUNS, WAITING, RunRecord, RunSpec, RunStore, planning
from wavelit_plugin.compare.training import policy_of
from wavelit_plugin.compare.widths import matched_width, reference_seconds
from wavelit_plugin.data import PROBLEMS, DataRequest, make_dataset
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.errors import ConfigError, HostError, unknown_name
from wavelit_plugin.files import lock_if_free
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

    A run counts once its file is in the folder. A process that is killed, or interrupted, loses the
    run in progress and nothing else: the same request goes on from there. Several processes with
    the same request share the runs.

    Args:
        request: what to compare.
        watcher: told how it goes.
        command: recorded in the plan.

    Raises:
        ConfigError: an unknown name, nobody to compare, or a folder of other settings.
        DataError: data or records cannot be read.
        HostError: an operator cannot be had here, or failed; the others were then done first.
    """
    contestants = able(
        find_contestants(request.operators),
        lambda record: record.missing(),
        skip=request.skip_missing,
        warn=watcher.warn,
    )
    with planning(request.out):
        data, source = _load_data(request, watcher)
        task = task_of(data)
        contestants = able(
            contestants,
            lambda record: record.takes(task),
            skip=request.skip_missing,
            warn=watcher.warn,
        )
        target = target_of(data, request)
        common = _common(request, data, source, target)
        store = RunStore(request.out, common, what=COMPARISON)
        experiment = Experiment(
            data,
            target=target,
            spend=request.spend,
            batch_size=request.batch_size,
            device=request.device,
            recipe=request.recipe,
        )
        contestants, widths = _sized(contestants, store.plan, experiment, request, watcher)
        store.write_plan(_plan(store.plan, command, request, contestants, widths))
    runs = _Runs(request, store, experiment, watcher, contestants)
    return Comparison(plan=store.plan, runs=runs.do_all())


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
    """Return the facts that all runs of a folder share."""
    machine, packages = hardware(request.device), versions()
    del machine["system"], packages["python"]  # an update of these changes no number
    machine["device"] = torch.device(request.device).type  # cards of one machine share the work
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
    plan: Mapping[str, Any],
    experiment: Experiment,
    request: CompareRequest,
    watcher: Watcher,
) -> tuple[tuple[Contestant, ...], dict[str, int | None]]:
    """Return who can be matched, and the width of each; widths that are known stay."""
    before = plan.get("widths", {})
    known = {c.record.name: before[c.label] for c in contestants if c.label in before}
    reference: list[float] = []

    def seconds(record: OperatorRecord, width: int | None) -> float:
        if not reference:
            reference.append(reference_seconds(operators(), experiment.step_seconds))
        return experiment.step_seconds(record, width) / reference[0]

    def refusal(record: OperatorRecord) -> str | None:
        if record.name not in known:
            try:
                known[record.name] = matched_width(record, experiment.task, request.match, seconds)
            except ConfigError as error:
                return str(error)
        return None

    fitting = able(contestants, refusal, skip=request.skip_missing, warn=watcher.warn)
    return fitting, {c.label: known[c.record.name] for c in fitting}


def _plan(
    before: Mapping[str, Any],
    command: Sequence[str],
    request: CompareRequest,
    contestants: Sequence[Contestant],
    widths: Mapping[str, int | None],
) -> dict[str, Any]:
    """Return what is asked for now; operators of earlier commands stay in the table."""
    commands = [*before.get("commands", [])]
    if list(command) not in commands:
        commands.append(list(command))
    rates = {c.label: c.rates(request.lr_grid) for c in contestants}
    ecosystems = {c.label: c.record.ecosystem for c in contestants}
    return {
        "command": list(command),
        "commands": commands,
        "seeds": max(request.seeds, before.get("seeds", 1)),
        "operators": list(dict.fromkeys([*before.get("operators", ()), *rates])),
        "rates": {**before.get("rates", {}), **rates},
        "widths": {**before.get("widths", {}), **widths},
        "ecosystems": {**before.get("ecosystems", {}), **ecosystems},
    }


class _Runs:
    """The runs that a request asks for; an operator that fails is left alone and named at last."""

    def __init__(
        self,
        request: CompareRequest,
        store: RunStore,
        experiment: Experiment,
        watcher: Watcher,
        contestants: Sequence[Contestant],
    ) -> None:
        self.request, self.store, self.experiment, self.watcher = (
            request,
            store,
            experiment,
            watcher,
        )
        self.contestants = {c.label: c for c in contestants}
        self.failed: dict[str, str] = {}

    @property
    def plan(self) -> Plan:
        """What is asked of those that did not fail."""
        wanted = {k: c for k, c in self.contestants.items() if k not in self.failed}
        rates = {label: c.rates(self.request.lr_grid) for label, c in wanted.items()}
        entries = (PlannedOperator(label=label, rates=found) for label, found in rates.items())
        return Plan(entries=tuple(entries), seeds=self.request.seeds)

    def do_all(self) -> tuple[RunRecord, ...]:
        """Do what is missing; HostError if an operator failed."""
        found = self.store.work(self.missing, self.do, self.wait)
        if self.failed:
            reasons = "; ".join(f"{label}: {reason}" for label, reason in self.failed.items())
            raise HostError(
                f"{reasons}; the other operators are done and kept, see wavelit report "
                f"{self.request.out}"
            )
        return found

    def missing(self, done: Sequence[RunRecord]) -> Iterator[RunSpec]:
        """Yield what can be done now and is not."""
        return self.plan.missing(done)

    def do(self, spec: RunSpec) -> RunRecord | None:
        """Do a run and keep its fields; None where the operator fails."""
        report = self._report(str(spec), spec.label)
        report(0.0, None)
        contestant, width = self.contestants[spec.label], self.store.plan["widths"][spec.label]
        try:
            with self._device():
                record, samples = self.experiment.run(contestant, width, spec, report)
        except (RuntimeError, ValueError) as error:  # of somebody else's module
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            self.failed[spec.label] = reason
            self.watcher.warn(f"{spec.label} failed and is left alone: {reason}")
            return None
        if samples is not None:
            keep_samples(self.request.out, spec, samples)
        return record

    def wait(self) -> None:
        """Say that others do what is missing."""
        self._report(WAITING)(0.0, None)

    def _report(self, what: str, label: str = "") -> Callable[[float, float | None], object]:
        """Return what tells the watcher how a run of an operator goes."""
        plan, runs = self.plan, self.store.records()
        left = plan.left(runs)
        mine = [run for run in runs if run.spec.label in left]
        every = [(run.spec.label, run.costs["run_seconds"]) for run in mine]
        own = [seconds for name, seconds in every if name == label] or [s for _, s in every]
        seconds = plan.seconds_left(mine)
        total = len(mine) + sum(left.values())

        def tell(share: float, loss: float | None) -> None:
            ahead = None if seconds is None else max(0.0, seconds - share * statistics.fmean(own))
            at = Progress(
                done=len(mine), total=total, share=share, what=what, loss=loss, seconds_left=ahead
            )
            self.watcher.runs(at)

        return tell

    def _device(self) -> AbstractContextManager[object]:
        """Hold the device where the budget is time, which two runs at once would share."""
        if self.request.spend.seconds is None:
            return nullcontext()
        return lock_if_free(self.store.folder / RUNS, device_lock(self.request.device), wait=True)


def device_lock(device: str) -> str:
    """Return the name of the lock of a device, the same in all processes that can use it."""
    place = torch.device(device)
    card: object = place.type
    if place.type == "cuda":
        facts = torch.cuda.get_device_properties(place)
        card = getattr(facts, "uuid", facts.name)  # some builds of torch do not tell
    return f".{platform.node()}-{card}.lock"
