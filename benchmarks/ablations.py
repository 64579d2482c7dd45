"""One change of waveliT at a time, on the machinery of ``wavelit compare``.

    python -m benchmarks.ablations waves --out FOLDER
    python -m benchmarks.ablations elliptic --rates 3e-3 --out FOLDER

``ablations.yaml`` names the problems and the variants. Every run is kept in ``--out`` as it
finishes, and a second call does only what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import yaml
from torch import Tensor, nn

from benchmarks.harness import write_results
from benchmarks.variants import CHANGES, CRITERIA, Averaged, ByMuon, Wrapped, optimizer
from wavelit_plugin.compare import training
from wavelit_plugin.compare.comparison import Progress, Watcher, compare
from wavelit_plugin.compare.request import CompareRequest, Match, Spend
from wavelit_plugin.compare.runs import Row, rows
from wavelit_plugin.model import WaveLiT
from wavelit_plugin.plugins.manager import plugin_manager
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord, GridTask, OperatorRecord
from wavelit_plugin.plugins.wavelit_operators import preset_operator

PACKAGES = ("torch", "wavelit-plugin")
PRESET = "waveliT"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table.

    Attributes:
        name: of the row.
        config: changed knobs of WaveLiTConfig.
        parts: keys of CHANGES.
        criterion: of training.
        average: decay of an average of the weights, 0 for none.
        muon: the matrices are trained by Muon.
    """

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[str] = ()
    criterion: str = "wavelet"
    average: float = 0.0
    muon: bool = False

    @property
    def label(self) -> str:
        """The operator as ``wavelit compare`` is asked for it."""
        return f"{self.name}:{self.criterion}"

    def build(self, task: GridTask, _width: int | None) -> nn.Module:
        """Return the changed model."""
        own = cast(WaveLiT, preset_operator(PRESET, "").build(task, None))
        model = WaveLiT(own.config.changed(**self.config))
        for part in self.parts:
            CHANGES[part](model)
        if self.muon:
            return ByMuon(model)
        return Averaged(model, self.average) if self.average else model

    def record(self, rates: tuple[float, ...]) -> OperatorRecord:
        """Return the operator for the comparison."""
        return OperatorRecord(
            name=self.name,
            summary="a variant of waveliT",
            ecosystem="ablation",
            build=self.build,
            learning_rates=rates,
            fit=_fit_statistics,
        )


def _fit_statistics(module: nn.Module, x: Tensor, y: Tensor) -> None:
    if fit := preset_operator(PRESET, "").fit:
        fit(module.model if isinstance(module, Wrapped) else module, x, y)


class Variants:
    """The plugin that provides the variants."""

    def __init__(self, records: Iterable[OperatorRecord]) -> None:
        self.records = list(records)

    @hookimpl
    def wavelit_operators(self) -> list[OperatorRecord]:
        """All variants."""
        return self.records

    @hookimpl
    def wavelit_criteria(self) -> list[CriterionRecord]:
        """The criteria that only variants have."""
        return [CriterionRecord(name=n, build=b, summary="") for n, b in CRITERIA.items()]


def read_plan(path: Path) -> tuple[dict[str, dict[str, Any]], list[Variant]]:
    """Return the problems and the variants of a file."""
    plan = yaml.safe_load(path.read_text())
    return plan["problems"], [Variant(**entry) for entry in plan["variants"]]


def record_of(row: Row, default: Row) -> dict[str, Any]:
    """Return the numbers of a row, and its errors over those of the default."""
    error, own = row.one_step, default.one_step
    found: dict[str, Any] = {
        "variant": row.label.partition(":")[0],
        "parameters_count": row.parameters,
        "learning_rate": row.learning_rate,
        "step_over_default_ratio": (
            row.step_seconds / default.step_seconds
            if row.step_seconds and default.step_seconds
            else None
        ),
        "vrmse_one_step": None if error is None else error.mean,
        "vrmse_one_step_half_width": None if error is None else error.half,
        "one_step_over_default_ratio": (error.mean / own.mean if error and own else None),
    }
    for window in ("1-5", "6-10", "11-20"):
        estimate = row.windows.get(window)
        found[f"vrmse_steps_{window.replace('-', '_')}"] = estimate and estimate.mean
    return found


def options(problems: Iterable[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("problem", choices=tuple(problems))
    add("--data", help="folder of the data; by default they are simulated")
    add("--variants", help="names with commas; default all")
    add("--steps", type=int, default=300)
    add("--seconds", type=float, help="of training, in place of steps")
    add("--seeds", type=int, default=3)
    add("--rates", default="6e-3", help="learning rates to choose from, with commas")
    add("--size", type=int, help="points an axis of simulated data; default that of the plan")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--out", type=Path, required=True, help="folder of the runs")
    add("--publish", metavar="NAME", help="write the table's file in results/, ablations-PROBLEM")
    return parser.parse_args()


def request(
    chosen: argparse.Namespace, problem: Mapping[str, Any], names: list[str]
) -> CompareRequest:
    """Return what is asked of the comparison."""
    made = {} if chosen.data else {**problem, "size": chosen.size or problem["size"]}
    made.pop("data", None)
    return CompareRequest(
        data=chosen.data or problem["data"],
        operators=tuple(names),
        out=chosen.out,
        spend=Spend(seconds=chosen.seconds) if chosen.seconds else Spend(steps=chosen.steps),
        seeds=chosen.seeds,
        lr_grid=len(chosen.rates.split(",")),
        match=Match(kind="native"),
        predict="state",  # the residual form is the model's own, and one of the variants
        device=chosen.device,
        **made,
    )


def say(last: list[str], progress: Progress) -> None:
    """Print a line a run."""
    if progress.what not in last:
        left = progress.seconds_left
        shown = "" if left is None else f", about {left / 60:.0f} min left"
        print(f"{progress.done}/{progress.total} {progress.what}{shown}", flush=True)
        last[:] = [progress.what]


def main() -> int:
    """Do what is missing; print the rows."""
    problems, variants = read_plan(Path(__file__).with_suffix(".yaml"))
    chosen = options(problems)
    if chosen.variants:
        variants = [v for v in variants if v.name in chosen.variants.split(",")]
    rates = tuple(sorted(float(rate) for rate in chosen.rates.split(",")))
    plugin_manager().register(Variants(v.record(rates) for v in variants), name="ablations")
    watcher = Watcher(data=lambda *_: None, runs=partial(say, []), warn=print)
    asked = request(chosen, problems[chosen.problem], [v.label for v in variants])
    with patch.object(training, "Optimizer", optimizer):
        found = rows(compare(asked, watcher, command=sys.argv))
    default = next(row for row in found if row.label == variants[0].label)
    records = [record_of(row, default) for row in found]
    for record in records:
        print(*record.values(), sep="  ")
    if chosen.publish:
        settings = {
            "spend": asked.spend.as_plain(),
            "seeds_count": chosen.seeds,
            "rates": list(rates),
        }
        print(
            write_results(
                chosen.publish,
                chosen.device,
                packages=PACKAGES,
                settings=settings,
                records=records,
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
