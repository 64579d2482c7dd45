"""Write what ``wavelit compare`` found as a file of results, for the tables of README.md.

    python -m benchmarks.compared FOLDER [FOLDER ...] NAME [--onto FILE]

FOLDER is what ``--out`` named there, NAME begins the name of the file. Several folders, of as many
data sets, share a table. Ratios are to the first operator of waveliT. To be run in the environment
that compared, whose versions are written down. With ``--onto``, a file of results that was trained
the same way on the same data gets the folders' rows in place of its own of the same operators: what
changed is measured again, and what did not is kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from benchmarks.harness import write_results
from wavelit_plugin.compare.runs import Comparison, Row, load_comparison, rows

PACKAGES = ("torch", "neuraloperator", "the_well", "wavelit-plugin")
SETTINGS = ("budget", "batch_size", "match", "predict", "policy")
ERRORS = ("vrmse_one_step", "vrmse_steps_1_10", "vrmse_step_10")
LONG = 10
"""Steps of a roll-out that are averaged, and after which it is looked at."""


def record_of(row: Row) -> dict[str, Any]:
    """Return the numbers of an operator."""
    return {
        "operator": row.label,
        "parameters_count": row.parameters,
        "learning_rate": row.learning_rate,
        "seeds_count": row.seeds,
        "steps_count": row.steps,
        "vrmse_one_step": row.one_step and row.one_step.mean,
        "vrmse_one_step_half_width": row.one_step and row.one_step.half,
        **rolled(row),
    }


def over_ours(record: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with its errors over ours."""
    ratios = {}
    for name in ERRORS:
        error, own = record[name], ours[name]
        ratio = error / own if error is not None and own else None
        ratios[f"{name.removeprefix('vrmse_')}_over_ours_ratio"] = ratio
    return {**record, **ratios}


def rolled(row: Row) -> dict[str, float | None]:
    """Return the mean error of the first steps of a roll-out, and that of the last of them."""
    first = [error for error in (row.rollout or ())[:LONG] if error is not None]
    whole = len(first) == LONG
    return {
        "vrmse_steps_1_10": statistics.fmean(first) if whole else None,
        "vrmse_step_10": first[-1] if whole else None,
    }


def ranked(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of one data set with their ratios, best of one step first."""
    ours = next(record for record in found if record["operator"].startswith("waveliT"))
    every = [over_ours(record, ours) for record in found]
    return sorted(every, key=lambda record: record["vrmse_one_step"] or float("inf"))


def records(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the records, best of one step first."""
    return ranked([record_of(row) for row in found])


def named_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the records with the name of the data set in front."""
    name = comparison.plan["data"]["name"]
    return [{"data": name, **record} for record in records(rows(comparison))]


def merged(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return new records, and the old ones of operators that the new ones lack, data set by set."""
    measured = {(record["data"], record["operator"]) for record in new}
    kept = [r for r in old if (r["data"], r["operator"]) not in measured]
    names = dict.fromkeys(record["data"] for record in (*old, *new))
    every = [*new, *kept]
    return [r for name in names for r in ranked([r for r in every if r["data"] == name])]


def check_same_way(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise ValueError unless the new settings are the old ones, on some of the old data."""
    known = {data["name"]: data["fingerprint"] for data in old["data"]}
    asked = {data["name"]: data["fingerprint"] for data in new["data"]}
    differ = [name for name in (*SETTINGS, "threads") if old[name] != new[name]]
    if differ or not asked.items() <= known.items():
        raise ValueError(
            f"rows can only be put in place of others of the same training and data; the training "
            f"differs in {differ}, the data are {asked} and were {known}"
        )


def shared_settings(plans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings, and each data set's own; a ValueError where others than those differ."""
    first, *others = ({name: plan[name] for name in SETTINGS} for plan in plans)
    for other in others:
        if other != first:
            raise ValueError(f"one table needs one way of training, got {first} and {other}")
    threads = plans[0]["hardware"]["threads"]
    return {**first, "threads": threads, "data": [plan["data"] for plan in plans]}


def installed() -> list[str]:
    """Return those of PACKAGES that this environment has."""
    here = {name for names in packages_distributions().values() for name in names}
    return [name for name in PACKAGES if name in here]


def main() -> None:
    """Read, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("name")
    parser.add_argument("--onto", type=Path, metavar="FILE", help="whose other rows are kept")
    chosen = parser.parse_args()
    comparisons = [load_comparison(folder) for folder in chosen.folders]
    plans = [comparison.plan for comparison in comparisons]
    found = [record for comparison in comparisons for record in named_records(comparison)]
    print(*found, sep="\n")
    device, settings = plans[0]["hardware"]["device"], shared_settings(plans)
    if chosen.onto:
        old = json.loads(chosen.onto.read_text(encoding="utf-8"))
        check_same_way(old["settings"], settings)
        found = merged(old["records"], found)
        settings = {**settings, "data": old["settings"]["data"], "kept_from": old["date"]}
    print(
        write_results(chosen.name, device, packages=installed(), settings=settings, records=found)
    )


if __name__ == "__main__":
    main()
