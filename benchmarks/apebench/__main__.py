"""Train what is missing of the comparison, or show it.

    python -m benchmarks.apebench run        # as many workers at once as there are cores
    python -m benchmarks.apebench table      # writes the table into README.md, and the plot

In an environment of its own: ``pip install -r benchmarks/apebench/requirements.txt``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.apebench import table
from benchmarks.apebench.protocol import PROBLEMS, RIVALS, WAVELIT, Run, missing, save
from benchmarks.harness import RESULTS
from benchmarks.lines import read_lines
from benchmarks.tables import README

RUNS, PLOT = RESULTS / "apebench-runs.jsonl", RESULTS / "apebench.png"
WORK = Path.home() / ".cache" / "wavelit-apebench"
SEEDS = {WAVELIT: range(5), **dict.fromkeys(RIVALS, range(3))}


def plan(problems: list[str], networks: list[str], seeds: list[int]) -> list[Run]:
    """Return the runs that were asked for, the first seed of all before the second of any."""
    from benchmarks.apebench.wavelit import config_of

    return [
        Run(problem, network, seed, config_of(problem, network))
        for seed in seeds
        for problem in problems
        for network in networks
        if seed in SEEDS[network]
    ]


def work(runs: list[Run], folder: Path) -> None:
    """Do the runs that nobody has done or is doing."""
    from benchmarks.apebench import rivals, wavelit

    locks = folder / "locks"
    for run in missing(runs, RUNS, locks):
        print(f"{run.problem}, {run.network}, seed {run.seed}", flush=True)
        if run.network == WAVELIT:
            found = wavelit.train(run, *rivals.data(run.problem, folder))
        else:
            found = rivals.train(run)
        record = run.record(found[0], **found[1])
        save(record, RUNS, locks)
        print(record["geometric_mean_nrmse_steps_1_100"], flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.apebench")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train what is missing")
    run.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    run.add_argument("--networks", nargs="+", choices=SEEDS, default=list(SEEDS))
    run.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    run.add_argument("--work", type=Path, default=WORK, help="folder of data and locks")
    commands.add_parser("table", help="write table and plot")
    chosen = parser.parse_args()
    if chosen.command == "run":
        work(plan(chosen.problems, chosen.networks, chosen.seeds), chosen.work)
    else:
        table.publish(read_lines(RUNS), README, PLOT)


if __name__ == "__main__":
    main()
