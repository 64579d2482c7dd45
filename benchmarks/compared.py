"""Write what ``wavelit compare`` found as a file of results, for the tables of README.md.

    python -m benchmarks.compared FOLDER NAME

FOLDER is what ``--out`` named there, NAME begins the name of the file. Ratios are to the first
operator of waveliT.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import write_results
from wavelit_plugin.compare.runs import Row, load_comparison, rows

PACKAGES = ("torch", "neuraloperator", "wavelit-plugin")
SETTINGS = ("budget", "batch_size", "match", "predict", "policy", "data")
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


def main() -> None:
    """Read, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    chosen = parser.parse_args()
    comparison = load_comparison(chosen.folder)
    found = records(rows(comparison))
    print(*found, sep="\n")
    plan = comparison.plan
    settings = {name: plan[name] for name in SETTINGS} | {"threads": plan["hardware"]["threads"]}
    device = plan["hardware"]["device"]
    print(write_results(chosen.name, device, packages=PACKAGES, settings=settings, records=found))


if __name__ == "__main__":
    main()
