"""Roll-outs of 100 steps by operators that were trained with and without options for them.

    python -m benchmarks.stability wall --out FOLDER
    python -m benchmarks.stability periodic --out FOLDER

Acoustic waves among random inclusions, in a box that nothing leaves: ``wall`` reflects them,
``periodic`` wraps them around. In the default, open box they are gone before step 100, and errors
would be measured against a nearly empty field. The box is crossed four times in 100 steps.

Every operator has the same steps, batches, optimizer and schedule, and a learning rate of its own,
with each recipe: plain, noise, push-forward, both. On the periodic box each trained model is also
rolled out with cycle shifts. Every run is kept in ``--out`` as it finishes: a second call does only
what is missing, and several at a time share the runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import write_results
from benchmarks.stability_rows import Record, measured, rows
from wavelit_plugin.compare.contestants import Contestant, find_contestants
from wavelit_plugin.compare.evaluate import roll_out
from wavelit_plugin.compare.experiment import Experiment, TrainedModel
from wavelit_plugin.compare.grid_data import Target, facts, relative_change
from wavelit_plugin.compare.matching import parameter_count, width_for
from wavelit_plugin.compare.measure import validation_error
from wavelit_plugin.compare.records import Step, Trajectories
from wavelit_plugin.compare.request import PLAIN, Recipe, Spend
from wavelit_plugin.compare.store import RunRecord, RunSpec, RunStore, all_of
from wavelit_plugin.compare.training import policy_of
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.stability import cycle_shift

PACKAGES = ("torch", "neuraloperator", "wavelit-plugin")
CASES = ("wall", "periodic")
QUICK = {
    "steps": 4,
    "seeds": 1,
    "size": 16,
    "frames": 12,
    "trajectories": 3,
    "test_trajectories": 1,
    "parameters": 60_000,
}
"""What ``--quick`` sets: a try that takes seconds and says nothing about errors."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One training: what, with which options, from which seed."""

    contestant: Contestant
    rate: float | None
    recipe: str
    seed: int

    @property
    def spec(self) -> RunSpec:
        """What tells it from the others of these settings."""
        label = f"{self.contestant.label}, {self.recipe}"
        return RunSpec(label=label, learning_rate=self.rate, seed=self.seed)

    def entry(self, record: RunRecord) -> Record:
        """Return its numbers."""
        return {
            "operator": self.contestant.label,
            "learning_rate": self.rate,
            "recipe": self.recipe,
            "seed": self.seed,
            **record.costs,
            **record.metrics,
        }


def options() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("case", choices=CASES)
    add("--out", type=Path, required=True, help="folder of the data and the runs")
    add("--operators", default="waveliT,FNO", help="as wavelit list operators has them")
    add("--rates", default="", help="NAME=RATE with commas; default the middle of its own")
    add("--parameters", type=int, default=1_000_000, help="of each operator")
    add("--steps", type=int, default=1000)
    add("--batch-size", type=int, default=8)
    add("--seeds", type=int, default=3)
    add("--size", type=int, default=64)
    add("--frames", type=int, default=101, help="the first is given, the others are rolled out")
    add("--interval", type=float, help="between frames; default that of the problem, 0.04")
    add("--medium", default="inclusions")
    add("--trajectories", type=int, default=32)
    add("--test-trajectories", type=int, default=8)
    add("--recipes", default="plain,noise,push-forward,both")
    add("--noise", type=float, default=1.0)
    add("--push-forward", type=float, default=0.2)
    add("--cell", type=int, default=8, help="points that cycle shifts go through, an axis")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--quick", action="store_true", help="a try at tiny size")
    add("--publish", action="store_true", help="write the table's file in results/")
    chosen = parser.parse_args()
    if chosen.quick:
        vars(chosen).update(QUICK)
    return chosen


def recipes(chosen: argparse.Namespace) -> dict[str, Recipe]:
    """Return the recipes that were asked for, by name."""
    noise, push = chosen.noise, chosen.push_forward
    known = {
        "plain": PLAIN,
        "noise": Recipe(noise=noise),
        "push-forward": Recipe(push_forward=push),
        "both": Recipe(noise=noise, push_forward=push),
    }
    return {name: known[name] for name in chosen.recipes.split(",")}


def load(chosen: argparse.Namespace) -> GridData:
    """Make the data where they are missing, and read them."""
    request = DataRequest(
        out=chosen.out / f"data-{chosen.case}",
        size=chosen.size,
        frames=chosen.frames,
        interval=chosen.interval,
        boundary=chosen.case,
        medium=chosen.medium,
        trajectories=chosen.trajectories,
        test_trajectories=chosen.test_trajectories,
        device=chosen.device,
    )
    make_dataset(request)
    return read_grid_data(request.out)


def settings_of(chosen: argparse.Namespace, data: GridData) -> Record:
    """Return what all runs have in common; those of other settings are left alone."""
    known = ("case", "steps", "batch_size", "parameters", "noise", "push_forward", "cell", "device")
    shown = ("size", "frames", "train_samples", "test_trajectories", "fingerprint")
    found = facts(data, chosen.out)
    return {
        **{name: vars(chosen)[name] for name in known},
        "predict": target_of(data),
        "policy": policy_of(PLAIN),
        "data": {name: found[name] for name in shown},
    }


def target_of(data: GridData) -> Target:
    """Return what operators predict, as ``wavelit compare`` would have it."""
    change = relative_change(data)
    return "change" if change is not None and change < 1 else "state"


def plan(chosen: argparse.Namespace) -> Iterator[Asked]:
    """Yield all trainings, seed by seed, the recipes and operators in turn."""
    rates = dict(pair.split("=") for pair in chosen.rates.split(",") if pair)
    for seed in range(chosen.seeds):
        for recipe in recipes(chosen):
            for contestant in find_contestants(chosen.operators.split(",")):
                (rate,) = contestant.rates(1)
                rate = float(rates.get(contestant.label, rate))
                yield Asked(contestant=contestant, rate=rate, recipe=recipe, seed=seed)


def run(asked: Asked, data: GridData, chosen: argparse.Namespace) -> RunRecord:
    """Train, roll out and measure."""
    experiment = Experiment(
        data,
        target=target_of(data),
        spend=Spend(steps=chosen.steps),
        batch_size=chosen.batch_size,
        device=chosen.device,
        recipe=recipes(chosen)[asked.recipe],
    )
    width = width_for(asked.contestant.record, experiment.task, chosen.parameters)
    fitted = experiment.learn(asked.contestant, width, asked.spec, lambda *_: None)
    return RunRecord(
        spec=asked.spec,
        metrics={
            "vrmse_one_step": validation_error(fitted.step, data.test, chosen.device),
            "rollouts": rollouts(fitted, data, chosen),
        },
        costs={
            "width": width,
            "parameters_count": parameter_count(fitted.model),
            "training_seconds": fitted.trained.seconds,
            "step_seconds": fitted.trained.step_seconds,
        },
        curve=fitted.trained.curve,
    )


def rollouts(fitted: TrainedModel, data: GridData, chosen: argparse.Namespace) -> dict[str, Record]:
    """Return what roll-outs give, as the model is and, where it can be, with cycle shifts."""
    if data.trajectories is None:
        raise ValueError("acoustic data have trajectories")
    fields, constants, _ = data.trajectories
    test = Trajectories(
        fields=data.fields,
        truth=fields.to(chosen.device),
        constants=constants.to(chosen.device),
    )
    steps: dict[str, Step] = {"as it is": fitted.step}
    if chosen.case == "periodic":
        steps["cycle shift"] = cycle_shift(fitted.step, boundary=data.boundary, cell=chosen.cell)
    return {name: measured(roll_out(step, test), test.truth[:, 1:]) for name, step in steps.items()}


def do_all(chosen: argparse.Namespace) -> tuple[Record, list[Record]]:
    """Do what is missing; return the settings and all runs of these."""
    data = load(chosen)
    settings = settings_of(chosen, data)
    store = RunStore(chosen.out, settings, what="a study of stability")
    asked = {one.spec: one for one in plan(chosen)}
    missing = all_of(asked)

    def do(spec: RunSpec) -> RunRecord:
        left = len(missing(store.records()))
        print(f"{spec}, the last but {left - 1} of {len(asked)}", flush=True)
        return run(asked[spec], data, chosen)

    done = {record.spec: record for record in store.work(missing, do)}
    return settings, [one.entry(done[spec]) for spec, one in asked.items()]


def main() -> int:
    """Do what is missing; print the rows."""
    chosen = options()
    settings, done = do_all(chosen)
    records = rows(done)
    for record in records:
        cells = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in record.values())
        print(*cells, sep="  ")
    if chosen.publish:
        name = f"stability-{chosen.case}"
        print(
            write_results(
                name, chosen.device, packages=PACKAGES, settings=settings, records=records
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
