"""What is published of a comparison: errors, and their ratios to waveliT's."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.compared import (
    SETTINGS,
    check_same_way,
    merged,
    named_records,
    records,
    shared_settings,
)
from benchmarks.tables import COMPARE, COMPARE_DATA
from wavelit_plugin.compare.runs import load_comparison, rows

MADE = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "compare" / "made_up_comparison.py"))
)


def published(folder: Path, steps: int | None) -> list[dict[str, Any]]:
    runs = [run for made in MADE.FIVE for run in MADE.runs_of(made, seeds=3, steps=steps)]
    made = MADE.write_comparison(folder / "out", runs, policy={})
    comparison = load_comparison(made)
    assert set(SETTINGS) <= set(comparison.plan)
    return records(rows(comparison))


def test_ratios_are_to_wavelit_and_the_best_comes_first(tmp_path: Path) -> None:
    found = published(tmp_path, steps=12)
    errors = [record["vrmse_one_step"] for record in found]
    assert errors == sorted(errors)
    assert [record["operator"] for record in found][::4] == ["waveliT", "persistence"]
    ours, last = found[0], found[-1]
    assert ours["seeds_count"] == 3
    assert all(ours[name] == 1 for name in ours if name.endswith("_over_ours_ratio"))
    assert last["one_step_over_ours_ratio"] == pytest.approx(errors[-1] / errors[0])
    growth = MADE.WAVELIT.growth
    assert ours["vrmse_step_10"] == pytest.approx(errors[0] * growth**9)
    mean = sum(growth**step for step in range(10)) / 10
    assert ours["vrmse_steps_1_10"] == pytest.approx(errors[0] * mean)
    assert all(column.cell(record) for column in COMPARE for record in found)


@pytest.mark.parametrize("steps", [None, 9])
def test_too_short_a_roll_out_has_no_long_error(steps: int | None, tmp_path: Path) -> None:
    for record in published(tmp_path, steps):
        assert record["vrmse_step_10"] is None
        assert record["steps_1_10_over_ours_ratio"] is None
        assert record["one_step_over_ours_ratio"] > 0


def test_several_data_sets_are_told_apart(tmp_path: Path) -> None:
    runs = MADE.runs_of(MADE.WAVELIT, seeds=3, steps=12)
    comparison = load_comparison(MADE.write_comparison(tmp_path / "out", runs, policy={}))
    record, *_ = named_records(comparison)
    assert record["data"] == comparison.plan["data"]["name"]
    assert all(column.cell(record) for column in COMPARE_DATA)


def test_a_table_has_one_way_of_training() -> None:
    plan: dict[str, Any] = dict.fromkeys(SETTINGS, 1) | {"hardware": {"threads": 1}, "data": {}}
    assert (
        shared_settings([plan, {**plan, "data": {"name": "other"}}])["data"][1]["name"] == "other"
    )
    with pytest.raises(ValueError, match="one way of training"):
        shared_settings([plan, {**plan, "batch_size": 2}])


def test_what_was_measured_again_replaces_its_own_row_and_all_ratios(tmp_path: Path) -> None:
    runs = [run for made in MADE.FIVE for run in MADE.runs_of(made, seeds=3, steps=12)]
    comparison = load_comparison(MADE.write_comparison(tmp_path / "out", runs, policy={}))
    old = named_records(comparison)
    ours = next(record for record in old if record["operator"] == "waveliT")
    better = {**ours, "vrmse_one_step": ours["vrmse_one_step"] / 2}
    found = merged(old, [better])
    assert [r["operator"] for r in found] == [r["operator"] for r in old]
    for before, after in zip(old[1:], found[1:], strict=True):
        assert after["vrmse_one_step"] == before["vrmse_one_step"]
        assert after["one_step_over_ours_ratio"] == pytest.approx(
            2 * before["one_step_over_ours_ratio"]
        )
    assert found[0]["one_step_over_ours_ratio"] == 1


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 2}, {"threads": 2}, {"data": [{"name": "waves", "fingerprint": "other"}]}],
)
def test_rows_of_another_training_or_other_data_are_not_mixed(change: dict[str, Any]) -> None:
    data = [{"name": "waves", "fingerprint": "a"}, {"name": "flow", "fingerprint": "b"}]
    old: dict[str, Any] = dict.fromkeys(SETTINGS, 1) | {"threads": 1, "data": data}
    check_same_way(old, {**old, "data": data[:1]})
    with pytest.raises(ValueError, match="same training and data"):
        check_same_way(old, {**old, **change})
