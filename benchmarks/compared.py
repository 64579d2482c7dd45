"""Write what ``wavelit compare`` found as a file of results, for the tables of README.md.

    python -m benchmarks.compared FOLDER [FOLDER ...] NAME

FOLDER is what ``--out`` named there, NAME begins the name of the file. Several folders, of as many
data sets, share a table. Ratios are to the first operator of waveliT. To be run in the environment
that compared, whose versions are written down.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from benchmarks.harness import write_results
from wavelit_plugin.compare.runs import Comparison, Row, load_comparison, rows

PACKAGES = ("torch", "neuraloperator", "the_well", "wavelit-plugin")
SETTINGS = ("budget", "batch_size", "match", "predict", "policy")
LONG = 10
"""Steps of a roll-out that are averaged, and after which it is looked at."""


def record_of(row: Row, ours: Row) -> dict[str, Any]:
    """Return the numbers of an operator, and its errors over ours."""
    found: dict[str, Any] = {
        "operator": row.label,
        "parameters_count": row.parameters,
        "learning_rate": row.learning_rate,
        "seeds_count": row.seeds,
        "steps_count": row.steps,
        "vrmse_one_step": row.one_step and row.one_step.mean,
        "vrmse_one_step_half_width": row.one_step and row.one_step.half,
        **rolled(row),
    }
    own = {"vrmse_one_step": ours.one_step and ours.one_step.mean, **rolled(ours)}
    for name, reference in own.items():
        error = found[name]
        ratio = error / reference if error is not None and reference else None
        found[f"{name.removeprefix('vrmse_')}_over_ours_ratio"] = ratio
    return found


def rolled(row: Row) -> dict[str, float | None]:
    """Return the mean error of the first steps of a roll-out, and that of the last of them."""
    first = [error for error in (row.rollout or ())[:LONG] if error is not None]
    whole = len(first) == LONG
    return {
        "vrmse_steps_1_10": statistics.fmean(first) if whole else None,
        "vrmse_step_10": first[-1] if whole else None,
    }


def records(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the records, best of one step first."""
    ours = next(row for row in found if row.operator.startswith("waveliT"))
    every = [record_of(row, ours) for row in found]
    return sorted(every, key=lambda record: record["vrmse_one_step"] or float("inf"))


def named_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the records with the name of the data set in front."""
    name = comparison.plan["data"]["name"]
    return [{"data": name, **record} for record in records(rows(comparison))]


def shared_settings(plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings, and each data set's own; a ValueError where others than those differ."""
    first, *others = ({name: plan[name] for name in SETTINGS} for plan in plans)
    for other in others:
        if other != first:
            raise ValueError(f"one table needs one way of training, got {first} and {other}")
    threads = plans[0]["hardware"]["threads"]
    return {**first, "threads": threads, "data": [plan["data"] for plan in plans]}


def main() -> None:
    """Read, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("name")
    chosen = parser.parse_args()
    comparisons = [load_comparison(folder) for folder in chosen.folders]
    plans = [comparison.plan for comparison in comparisons]
    found = [record for comparison in comparisons for record in named_records(comparison)]
    print(*found, sep="\n")
    here = {name for names in packages_distributions().values() for name in names}
    packages = [name for name in PACKAGES if name in here]
    device, settings = plans[0]["hardware"]["device"], shared_settings(plans)
    print(write_results(chosen.name, device, packages=packages, settings=settings, records=found))


if __name__ == "__main__":
    main()
