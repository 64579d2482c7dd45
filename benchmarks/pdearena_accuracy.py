"""Accuracy at equal steps in PDEArena's own trainer, each operator at its best learning rate.

    wavelit data make kolmogorov --host pdearena --out FOLDER
    python -m benchmarks.pdearena_accuracy --data FOLDER --task NavierStokes2D --name kolmogorov

Needs PDEArena and cliffordlayers on PYTHONPATH. The learning rate is chosen on the first seed by
validation data: by the roll-out that the host itself watches, or by single steps where it rolls out
in tests only. Runs are kept beside the results as they finish; a second call does only what is
missing.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.harness import RESULTS, write_results
from benchmarks.pdearena_plan import (
    TASKS,
    Record,
    Rival,
    Run,
    or_infinite,
    rates_of,
    seconds_left,
    stages,
)
from wavelit_plugin.compare.rates import middle_first

PACKAGES = ("torch", "pytorch-lightning", "torchdata", "wavelit-plugin")
OPERATORS = "persistence,waveliT,ResNet-128,FNO-128-16m,U-FNet1-16m,Unetmod-64,DilResNet-128"
CONDITIONED = "persistence,waveliT,FNO-128-16m,U-FNet1-16m,Unetmod-64"
IN_ROWS = ("parameters_count", "step_seconds", "training_seconds")


class Notebook:
    """The finished runs, one a line of a file."""

    def __init__(self, path: Path, first: Run) -> None:
        self.path = path
        self.lock = threading.Lock()
        lines = path.read_text().splitlines() if path.exists() else []
        held = [json.loads(line) for line in lines if line.endswith("}")]
        self.done: list[Record] = [line for line in held if _alike(line["run"], first)]

    def has(self, run: Run) -> bool:
        """Whether the run is finished."""
        return any(Run(**held["run"]) == run for held in self.done)

    def add(self, record: Record) -> None:
        """Append a finished run to the file."""
        with self.lock, self.path.open("a") as lines:
            self.done.append(record)
            lines.write(json.dumps(record) + "\n")


def perform(run: Run, book: Notebook, left: Callable[[], float]) -> None:
    """Perform a run in its own process, note it and say so in a line."""
    command = [sys.executable, "-m", "benchmarks.pdearena_run", json.dumps(asdict(run))]
    root = Path(__file__).resolve().parents[1]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    label = f"{run.name}, rate {run.rate:g}, seed {run.seed}"
    if ended.returncode:
        print(f"{label}: ended with {ended.returncode}\n{ended.stderr[-2000:]}", flush=True)
        return
    found = json.loads(ended.stdout.splitlines()[-1])
    book.add({"run": asdict(run), **found})
    print(
        f"{label}: one step {_text(found['one_step_scaledl2'])}, roll-out "
        f"{_text(found['unrolled_loss_mean'])}, validation {_text(found.get('chosen_by'))}, "
        f"{found['run_seconds']:.0f} s; about {left() / 60:.0f} min left",
        flush=True,
    )


def summary(rivals: Sequence[Rival], done: Sequence[Record]) -> list[Record]:
    """Return one row an operator: means over the seeds at its best rate, and their range."""
    return [_row(rival, done) for rival in rivals if rival.tried(done)]


def _row(rival: Rival, done: Sequence[Record]) -> Record:
    rate, tried = rival.best_rate(done), rival.tried(done)
    runs = [run for run in rival.runs(done) if run["run"]["rate"] == rate]
    row: Record = {
        "operator": rival.first.name,
        "criterion": rival.first.criterion,
        "learning_rate": rate,
        "validation_by_rate": {f"{key:g}": _or_none(value) for key, value in tried.items()},
        "rate_is_at_an_edge": len(tried) > 1 and rate in (min(tried), max(tried)),
        "seeds_count": len(runs),
    }
    for key in IN_ROWS:
        values = [run[key] for run in runs if run[key] is not None]
        row[key] = statistics.median(values) if values else None
    for key in (k for k in runs[0] if k.startswith(("one_step", "unrolled", "vrmse"))):
        values = [or_infinite(run[key]) for run in runs]
        row[key] = _or_none(statistics.fmean(values))
        row[f"{key}_range"] = [_or_none(min(values)), _or_none(max(values))]
    return row


def rivals_of(options: argparse.Namespace) -> list[Rival]:
    """Return the operators that the options name, ``NAME:CRITERION`` for another criterion."""
    default = CONDITIONED if TASKS[options.task].conditioned else OPERATORS
    given = dict(text.split("=") for text in options.learning_rates)
    rivals = []
    for text in (options.operators or default).split(","):
        name, _, criterion = text.partition(":")
        rates = rates_of(name)
        if name in given:
            rates = tuple(float(rate) for rate in given[name].split(","))
        first = first_run(options, name, criterion or options.criterion)
        rivals.append(Rival(first=first, rates=middle_first(sorted(set(rates)))))
    return rivals


def first_run(options: argparse.Namespace, operator: str, criterion: str) -> Run:
    """Return an operator's run of the first seed; its rate is still to be set."""
    shared = {key: getattr(options, key) for key in ("task", "steps", "batch_size", "rollout")}
    return Run(
        data=str(options.data.resolve()),
        operator=operator,
        criterion=criterion,
        rate=0.0,
        seed=0,
        valid=options.valid_trajectories,
        test=options.test_trajectories,
        device=options.device,
        **shared,
    )


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder that wavelit data make wrote")
    add("--task", choices=tuple(TASKS), required=True)
    add("--name", required=True, help="of the results: pdearena-NAME")
    add("--operators", help="names with commas; NAME:CRITERION for another criterion")
    add("--criterion", default="mse", help="of training, for all")
    add("--steps", type=int, default=200)
    add("--batch-size", type=int, default=8)
    add("--seeds", type=int, default=3)
    add("--rollout", type=int, default=5, help="steps of a roll-out")
    add("--learning-rates", nargs="*", default=[], metavar="NAME=R,R,R")
    add("--valid-trajectories", type=int, default=4)
    add("--test-trajectories", type=int, default=8)
    add("--jobs", type=int, default=1, help="runs at a time; OMP_NUM_THREADS is for each")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--out", type=Path, help="default results/pdearena-NAME-HARDWARE.json")
    options = parser.parse_args()
    if not any(options.data.glob("*test*")):
        parser.error(f"--data must be a folder that wavelit data make wrote, got {options.data}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
    return options


def main() -> int:
    """Do what is missing, then write and print the summary."""
    options = parse()
    rivals = rivals_of(options)
    folder = options.out.parent if options.out else RESULTS
    book = Notebook(folder / f"pdearena-{options.name}-runs.jsonl", rivals[0].first)
    left = partial(seconds_left, rivals, options.seeds, book.done)
    failed = False
    for stage in stages(rivals, options.seeds, book.done):
        missing = [run for run in stage if not book.has(run)]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(partial(perform, book=book, left=left), missing))
        failed = failed or not all(book.has(run) for run in missing)
    rows = summary(rivals, book.done)
    if not rows:
        return 1
    path = write_results(
        f"pdearena-{options.name}",
        options.device,
        packages=PACKAGES,
        settings=settings(options, rivals[0].first),
        records=rows,
        path=options.out,
    )
    print(path.read_text())
    edges = [row["operator"] for row in rows if row["rate_is_at_an_edge"]]
    print(f"best learning rate at an edge: {', '.join(edges) or 'none'}")
    return int(failed)


def settings(options: argparse.Namespace, first: Run) -> Record:
    """Return what all runs share."""
    import torch
    from pdearena.version import __version__ as version

    described = [json.loads(p.read_text()) for p in Path(first.data).glob("*.json")]
    return {
        "task": first.task,
        "steps_count": first.steps,
        "batch_size_count": first.batch_size,
        "rollout_steps_count": first.rollout,
        "valid_trajectories_count": first.valid,
        "test_trajectories_count": first.test,
        "seeds_count": options.seeds,
        "threads_count": torch.get_num_threads(),
        "runs_at_a_time_count": options.jobs,
        "pdearena": version,
        "data": described[0].get("parameters") if described else None,
    }


def _alike(held: Record, first: Run) -> bool:
    """Whether a run that was held differs in operator, rate and seed only."""
    free = ("operator", "criterion", "rate", "seed", "valid")
    same = all(held[key] == value for key, value in asdict(first).items() if key not in free)
    return same and held["valid"] in (first.valid, 0)


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
