"""What waveliT costs where it errs as much as each operator of a comparison.

    python -m benchmarks.equal_error BASE --data DATA --publish NAME

BASE is the folder of a ``wavelit compare`` with a budget in seconds, DATA the folder of its data.
waveliT is trained for less time (``--seconds``) and in smaller sizes (``--widths``) the same way,
its learning rates searched alike, in folders inside of BASE. Between these trainings the cost at
another operator's error is interpolated: how long waveliT has to be trained to err as much, and
what a training step and a forward pass of a waveliT take that errs as much after the whole budget.
Those are timed on one batch, all operators and sizes in turns. A second call does only what is
missing. To be run in the environment that compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.ablations import Variants, say
from benchmarks.compared import installed, shared_settings
from benchmarks.equal_error_rows import Point, record_of
from benchmarks.harness import interleaved_seconds, write_results
from wavelit_plugin.compare.comparison import Watcher, compare
from wavelit_plugin.compare.contestants import Contestant, criterion_of, find_contestants
from wavelit_plugin.compare.experiment import Experiment
from wavelit_plugin.compare.request import CompareRequest, Spend, parse_match
from wavelit_plugin.compare.runs import Comparison, Row, load_comparison, rows
from wavelit_plugin.compare.training import Optimizer
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.plugins import operators
from wavelit_plugin.plugins.manager import plugin_manager
from wavelit_plugin.plugins.types import GridTask, OperatorRecord, no_widths

OURS = "waveliT"


def sized(width: int) -> OperatorRecord:
    """Return waveliT in a size of its own, whatever the others are matched to."""
    (ours,) = (record for record in operators() if record.name == OURS)
    return replace(
        ours, name=f"{OURS}-{width}", build=partial(_of_width, ours, width), widths=no_widths
    )


@contextmanager
def sizes(widths: Iterable[int]) -> Iterator[None]:
    """Provide waveliT in these sizes."""
    plugin = Variants(sized(width) for width in widths)
    plugin_manager().register(plugin, name="sizes")
    try:
        yield
    finally:
        plugin_manager().unregister(plugin)


def _of_width(ours: OperatorRecord, width: int, task: GridTask, _asked: int | None) -> nn.Module:
    return ours.build(task, width)


@dataclass(frozen=True, kw_only=True)
class Base:
    """The comparison whose operators waveliT is measured beside.

    Attributes:
        folder: of it.
        data: folder of its data.
        found: its plan and runs.
        seeds, lr_grid: of the trainings that are added.
    """

    folder: Path
    data: Path
    found: Comparison
    seeds: int
    lr_grid: int

    @property
    def rows(self) -> tuple[Row, ...]:
        """Of the operators that are trained; ours is one."""
        return tuple(row for row in rows(self.found) if row.trained)

    @property
    def ours(self) -> Row:
        """The row of waveliT."""
        return next(row for row in self.rows if row.operator == OURS)

    @property
    def seconds(self) -> float:
        """The budget; a ValueError if it is not in seconds."""
        budget = self.found.plan["budget"]
        if "seconds" not in budget:
            raise ValueError(f"a comparison with a budget in seconds is needed, this has {budget}")
        return float(budget["seconds"])

    def label(self, name: str) -> str:
        """Return an operator's label with the criterion that waveliT was trained by."""
        return self.ours.label.replace(OURS, name)

    def trained(
        self, folder: str, labels: Iterable[str], seconds: float, match: str
    ) -> tuple[Row, ...]:
        """Train what is missing, in a folder inside; return the rows."""
        plan = self.found.plan
        request = CompareRequest(
            data=str(self.data),
            operators=tuple(labels),
            out=self.folder / folder,
            spend=Spend(seconds=seconds),
            seeds=self.seeds,
            lr_grid=self.lr_grid,
            match=parse_match(match),
            predict=plan["predict"],
            batch_size=plan["batch_size"],
            device=plan["hardware"]["device"],
        )
        watcher = Watcher(data=lambda *_: None, runs=partial(say, []), warn=print)
        return rows(compare(request, watcher, command=sys.argv))


def points(found: Sequence[Row], costs: Callable[[Row], Mapping[str, float]]) -> list[Point]:
    """Return the trainings that have an error, the cheapest first."""
    known = [Point(costs=costs(r), error=r.one_step.mean) for r in found if r.one_step]
    return sorted(known, key=lambda point: tuple(point.costs.values()))


def timed(base: Base, contestants: Mapping[Contestant, int | None]) -> dict[str, dict[str, float]]:
    """Return ``step_seconds`` and ``inference_seconds`` of a batch by label, taken in turns."""
    plan = base.found.plan
    device = plan["hardware"]["device"]
    experiment = Experiment(
        read_grid_data(base.data),
        target=plan["predict"],
        spend=Spend(steps=1),
        batch_size=plan["batch_size"],
        device=device,
    )
    found = {c.label: calls(experiment, c, width) for c, width in contestants.items()}
    taken = {
        name: interleaved_seconds(
            {label: both[name] for label, both in found.items()}, repeats=7, device=device
        )
        for name in ("step_seconds", "inference_seconds")
    }
    return {
        label: {name: statistics.median(samples[label]) for name, samples in taken.items()}
        for label in found
    }


def calls(
    experiment: Experiment, contestant: Contestant, width: int | None
) -> dict[str, Callable[[], object]]:
    """Return what is timed of an operator, by the name of its time."""
    x, y = experiment.x[: experiment.batch_size], experiment.y[: experiment.batch_size]
    model = contestant.record.build(experiment.task, width).to(experiment.device)
    if contestant.record.fit is not None:
        contestant.record.fit(model, x, y)
    loss = criterion_of(contestant, experiment.task)
    return {
        "step_seconds": partial(
            Optimizer(model, learning_rate=0.0), lambda: loss(model(x), y), 1.0
        ),
        "inference_seconds": partial(answer, model, x),
    }


@torch.no_grad()
def answer(model: nn.Module, x: Tensor) -> Tensor:
    """Predict."""
    found: Tensor = model.eval()(x)
    return found


def records(base: Base, seconds: Sequence[float], widths: Sequence[int]) -> list[dict[str, Any]]:
    """Train, time, and return the records, the operator that errs least first."""
    ours, label, budget = base.ours, base.ours.label, base.seconds
    plan = base.found.plan
    match = plan["match"]
    shorter = [row for s in seconds for row in base.trained(f"seconds-{s:g}", [label], s, match)]
    names = [base.label(f"{OURS}-{width}") for width in widths]
    smaller = base.trained("widths", names, budget, "native")
    chosen = {row.label: plan["widths"][row.label] for row in base.rows}
    contestants = {c: chosen.get(c.label) for c in find_contestants([*chosen, *names])}
    times = timed(base, contestants)
    by_time = points([*shorter, ours], lambda row: {"training_seconds": row.training_seconds})
    by_size = points(
        [*smaller, ours],
        lambda row: {"parameters_count": row.parameters, **times[row.label]},
    )
    found = [record_of(row, times[row.label], by_time, by_size) for row in base.rows]
    return sorted(found, key=lambda record: record["vrmse_one_step"] or float("inf"))


def options() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("base", type=Path, help="folder of a wavelit compare that has waveliT and a time budget")
    add("--data", type=Path, required=True, help="folder of its data")
    add("--seconds", default="2,4,8,16", help="of shorter trainings")
    add("--widths", default="24,48,72,96", help="of smaller models")
    add("--seeds", type=int, default=3)
    add("--lr-grid", type=int, default=3)
    add("--publish", metavar="NAME", help="write the table's file in results/, equal-error-PROBLEM")
    return parser.parse_args()


def main() -> int:
    """Do what is missing; print the rows."""
    chosen = options()
    base = Base(
        folder=chosen.base,
        data=chosen.data,
        found=load_comparison(chosen.base),
        seeds=chosen.seeds,
        lr_grid=chosen.lr_grid,
    )
    seconds = [float(s) for s in chosen.seconds.split(",")]
    widths = [int(width) for width in chosen.widths.split(",")]
    with sizes(widths):
        found = records(base, seconds, widths)
    for record in found:
        print(*record.values(), sep="  ")
    if chosen.publish:
        plan = base.found.plan
        settings = {
            **shared_settings([plan]),
            "shorter_seconds": seconds,
            "widths": widths,
            "seeds_count": chosen.seeds,
        }
        write = partial(write_results, chosen.publish, plan["hardware"]["device"])
        print(write(packages=installed(), settings=settings, records=found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
