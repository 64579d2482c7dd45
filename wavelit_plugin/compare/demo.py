"""The demonstration: waves through a random medium, WaveLiT against FNO, one budget."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from wavelit_plugin.compare.evaluate import evaluate, persistence
from wavelit_plugin.compare.figure import check_figure, rollout_figure, write_figure
from wavelit_plugin.compare.measure import SHOWN
from wavelit_plugin.compare.records import Budget, Operator, Trajectories, Watch
from wavelit_plugin.compare.results import as_plain, hardware, versions, write_results
from wavelit_plugin.compare.runs import keep_samples, load_samples
from wavelit_plugin.compare.store import RunRecord, RunSpec, RunStore, all_of, clear, planning
from wavelit_plugin.data import DataReport, DataRequest, make_dataset
from wavelit_plugin.errors import ConfigError, HostError
from wavelit_plugin.files import load_tensors

OPERATORS: tuple[Operator, ...] = (
    Operator(name="WaveLiT", arch="waveliT", learning_rate=8e-3),
    Operator(
        name="FNO",
        arch="fno",
        learning_rate=2e-2,
        options={"n_modes": [16, 16], "hidden_channels": 32, "n_layers": 4},
    ),
)
"""About a million parameters each, each at its best learning rate in benchmarks/README.md."""

_HOST_PACKAGES = ("neuralop", "zencfg")

RESULTS, FIGURE = "results.json", "rollout.png"
PERSISTENCE, DEMONSTRATION = "persistence", "a demonstration"


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """What the demonstration makes and spends.

    Attributes:
        out: folder of the results; the data set goes into ``data`` beside them.
        size: points an axis.
        trajectories: training trajectories; a quarter as many for the test.
        budget: what each operator may spend.
        operators: what is compared.
        device: where to simulate and train.
        overwrite: replace results of an earlier run.

    Raises:
        ConfigError: a value that data set, budget or device cannot have.
    """

    out: Path
    size: int = 64
    trajectories: int = 48
    budget: Budget = field(default_factory=Budget)
    operators: tuple[Operator, ...] = OPERATORS
    device: str = "cpu"
    overwrite: bool = False

    def __post_init__(self) -> None:
        self.data()

    def data(self) -> DataRequest:
        """Return the data set that is made, or used if it is there."""
        return DataRequest(
            out=self.out / "data",
            size=self.size,
            trajectories=self.trajectories,
            device=self.device,
        )


@dataclass(frozen=True, kw_only=True)
class DemoReport:
    """What the demonstration measured and wrote."""

    results: tuple[RunRecord, ...]
    figure: Path
    record: Path

    def as_plain(self) -> dict[str, object]:
        """Return plain types, without the predicted fields."""
        paths = {"figure": str(self.figure), "record": str(self.record)}
        return {**paths, "results": [as_plain(run) for run in self.results]}


def demo_request(*, quick: bool, steps: int, seed: int, **options: Any) -> DemoRequest:
    """Return the full demonstration, or a tiny one that only shows that everything works."""
    if quick:
        budget = Budget(steps=10, epoch_steps=5, seed=seed)
        return DemoRequest(budget=budget, size=32, trajectories=4, **options)
    return DemoRequest(budget=Budget(steps=steps, seed=seed), **options)


def run_demo(request: DemoRequest, watch: Watch, *, command: Sequence[str] = ()) -> DemoReport:
    """Make the data, train and measure every operator, write ``results.json`` and a picture.

    A finished data set of the same request is used again, and so is an operator that was trained
    before the command was stopped.

    Args:
        request: what to make and spend.
        watch: told of every step.
        command: recorded in the results.

    Raises:
        ConfigError: the folder holds results already, or runs of other settings, and ``overwrite``
            is off.
        HostError: neuraloperator or matplotlib is missing, or the registration failed.
    """
    _check_free(request)
    check_figure()
    check_host(request.operators)
    with planning(request.out):
        if request.overwrite:
            clear(request.out, DEMONSTRATION)
        advice = "use another folder, or overwrite"
        store = RunStore(request.out, _facts(request), what=DEMONSTRATION, advice=advice)
        store.write_plan({})
        made = make_dataset(request.data(), lambda done, total, what: watch(done, total, what, ""))
    test = load_test(made)
    trained = {_spec(operator, request.budget): operator for operator in request.operators}
    untrained = RunSpec(label=PERSISTENCE)

    def do(spec: RunSpec) -> RunRecord:
        if spec == untrained:
            metrics, _ = evaluate(persistence(len(test.fields)), test)
            return RunRecord(spec=spec, metrics=metrics)
        return _train_and_measure(trained[spec], spec, request, made=made, test=test, watch=watch)

    runs = {run.spec: run for run in store.work(all_of([*trained, untrained]), do)}
    results = tuple(runs[spec] for spec in (*trained, untrained))
    samples = {spec.label: load_samples(request.out, spec) for spec in trained}
    record, figure = request.out / RESULTS, request.out / FIGURE
    write_figure(rollout_figure(samples), figure)
    write_results(record, {"command": " ".join(command), **_facts(request)}, results)
    return DemoReport(results=results, figure=figure, record=record)


def _spec(operator: Operator, budget: Budget) -> RunSpec:
    return RunSpec(label=operator.name, learning_rate=operator.learning_rate, seed=budget.seed)


def _train_and_measure(
    operator: Operator,
    spec: RunSpec,
    request: DemoRequest,
    *,
    made: DataReport,
    test: Trajectories,
    watch: Watch,
) -> RunRecord:
    """Build by name, train in the host's own Trainer, roll out; the fields are kept."""
    from wavelit_plugin.hosts.neuraloperator import training as host

    budget, name = request.budget, request.data().problem
    pairs = host.load_pairs(made.folder, name, size=request.size, samples=made.samples["train"])
    torch.manual_seed(budget.seed)
    model = host.build_model(operator.arch, pairs, operator.options)
    how = host.Training(
        learning_rate=operator.learning_rate,
        epochs=budget.epochs,
        epoch_steps=budget.epoch_steps,
        batch_size=budget.batch_size,
        seed=budget.seed,
        device=request.device,
    )
    began, ends = time.perf_counter(), list[float]()

    def report(step: int, loss: float) -> None:
        ends.append(time.perf_counter() - began)
        epoch = (step - 1) // budget.epoch_steps + 1
        note = f"epoch {epoch}/{budget.epochs}, loss {loss:.3f}"
        watch(step, budget.steps, f"training {operator.name}", note)

    trained = host.train(model, pairs, how, report)
    device = request.device
    there = replace(test, truth=test.truth.to(device), constants=test.constants.to(device))
    metrics, prediction = evaluate(host.predictor(model, pairs), there)
    truth = test.truth[:SHOWN]
    rolled = torch.cat([truth[:, :1], prediction[:SHOWN].cpu()], dim=1)
    keep_samples(
        request.out, spec, {"fields": list(test.fields), "truth": truth, "prediction": rolled}
    )
    steps = range(budget.epoch_steps, budget.steps + 1, budget.epoch_steps)
    losses = zip(steps, trained.losses, strict=True)
    return RunRecord(
        spec=spec,
        metrics=metrics,
        costs={"parameters": host.parameters(model), "training_seconds": trained.seconds},
        curve=tuple((n, ends[n - 1], loss) for n, loss in losses if math.isfinite(loss)),
    )


def check_host(operators: Sequence[Operator]) -> None:
    """Register with the host, and raise HostError unless it knows every operator."""
    from wavelit_plugin.plugins import activate, report

    activate()
    try:
        from wavelit_plugin.hosts.neuraloperator.training import knows_model
    except ModuleNotFoundError as error:
        if error.name not in _HOST_PACKAGES:
            raise  # installed but broken: its own error says more
        raise HostError(
            f"the demonstration trains with neuraloperator, but {error.name} is not installed; "
            "install wavelit-plugin[neuraloperator]"
        ) from error
    for operator in operators:
        if not knows_model(operator.arch):
            reasons = [status.reason for status in report() if status.reason]
            raise HostError(
                f"neuraloperator does not know the model {operator.arch!r}: "
                f"{'; '.join(reasons) or 'it was not registered'}; see wavelit doctor"
            )


def load_test(made: DataReport) -> Trajectories:
    """Read the test trajectories of a data set."""
    (name,) = (name for name in made.files if name.endswith("_trajectories.pt"))
    held = load_tensors(made.folder / name, advice="make the data again, with --overwrite")
    return Trajectories(
        fields=tuple(held["field_names"]), truth=held["fields"], constants=held["constants"]
    )


def _check_free(request: DemoRequest) -> None:
    taken = [name for name in (RESULTS, FIGURE) if (request.out / name).exists()]
    if taken and not request.overwrite:
        raise ConfigError(
            f"{request.out} already holds {' and '.join(taken)} of an earlier run; use another "
            "folder, or overwrite"
        )


def _facts(request: DemoRequest) -> dict[str, object]:
    return {
        "budget": asdict(request.budget),
        "data": request.data().parameters(),
        "operators": [
            {"name": o.name, "arch": o.arch, "options": dict(o.options)} for o in request.operators
        ],
        "versions": versions(),
        "hardware": hardware(request.device),
    }
