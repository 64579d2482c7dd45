"""What waveliT costs at another operator's error: interpolation, and the whole on tiny data."""

import math
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import equal_error
from benchmarks.equal_error_rows import Point, crossing, record_of
from benchmarks.tables import EQUAL_ERROR
from wavelit_plugin.compare.comparison import Watcher, compare
from wavelit_plugin.compare.request import CompareRequest, Match, Spend
from wavelit_plugin.compare.runs import Row, load_comparison, rows
from wavelit_plugin.plugins import operators

MADE = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "compare" / "made_up_comparison.py"))
)

SQUARE_ROOT = [
    Point(costs={"seconds": s, "parameters": s**3}, error=s**-0.5) for s in (1.0, 4.0, 16.0)
]
"""The error falls with the root of the seconds."""


@pytest.mark.parametrize("seconds", [1.5, 4.0, 9.0, 16.0])
def test_costs_between_trainings_are_powers_of_the_error(seconds: float) -> None:
    found = crossing(SQUARE_ROOT, seconds**-0.5)
    assert found is not None
    assert not found.bound
    assert found.costs == {
        "seconds": pytest.approx(seconds),
        "parameters": pytest.approx(seconds**3),
    }


def test_what_the_cheapest_training_reaches_already_is_a_bound() -> None:
    found = crossing(SQUARE_ROOT, 1.5)
    assert found is not None
    assert found.bound
    assert found.costs == SQUARE_ROOT[0].costs


def test_an_error_that_no_training_reaches_has_no_cost() -> None:
    assert crossing(SQUARE_ROOT, 0.2) is None
    assert crossing(SQUARE_ROOT, 0.25) is not None
    assert crossing([], math.inf) is None


def test_the_first_training_that_errs_as_little_counts_where_a_later_one_is_worse() -> None:
    uneven = [
        Point(costs={"seconds": s}, error=e) for s, e in ((1, 0.4), (2, 0.2), (4, 0.3), (8, 0.1))
    ]
    found = crossing(uneven, 0.2)
    assert found is not None
    assert found.costs["seconds"] == pytest.approx(2)


@pytest.fixture
def rival(tmp_path: Path) -> Row:
    runs = MADE.runs_of(MADE.FIVE[1], seeds=3, steps=12)
    (row,) = rows(load_comparison(MADE.write_comparison(tmp_path / "made", runs, policy={})))
    return row


def test_a_rival_is_beside_what_ours_costs_at_its_error(rival: Row) -> None:
    assert rival.one_step is not None
    error = rival.one_step.mean
    # a quarter of the time for twice the error
    shorter = [
        Point(costs={"training_seconds": s}, error=error * (8 / s) ** 0.5) for s in (2.0, 32.0)
    ]
    sizes = [
        Point(
            costs={"parameters_count": c, "step_seconds": c / 100, "inference_seconds": c / 1000},
            error=error * 100 / c,
        )
        for c in (10.0, 1000.0)
    ]
    times = {"step_seconds": 3.0, "inference_seconds": 0.5}
    found = record_of(rival, times, shorter, sizes)
    assert found["operator"] == rival.label
    assert found["ours_training_seconds"] == pytest.approx(8.0)
    assert found["training_over_ours_ratio"] == pytest.approx(rival.training_seconds / 8)
    assert found["ours_parameters_count"] == pytest.approx(100.0)
    assert found["step_over_ours_ratio"] == pytest.approx(3.0)
    assert found["inference_over_ours_ratio"] == pytest.approx(5.0)
    assert found["at_least"] is None
    assert all(column.cell(found) for column in EQUAL_ERROR)


def test_bounds_are_named_and_what_is_not_reached_is_missing(rival: Row) -> None:
    times = {"step_seconds": 3.0, "inference_seconds": 0.5}
    better = [Point(costs={"training_seconds": 2.0}, error=1e-9)]
    worse = [Point(costs={"parameters_count": 7.0, **times}, error=1e9)]
    found = record_of(rival, times, better, worse)
    assert found["at_least"] == "training"
    assert found["training_over_ours_ratio"] == pytest.approx(rival.training_seconds / 2)
    assert found["step_over_ours_ratio"] is found["ours_parameters_count"] is None


def compared(waves: Path, out: Path, spend: Spend) -> Path:
    """waveliT beside a deeper one and what is not trained."""
    request = CompareRequest(
        data=str(waves),
        operators=("waveliT", "waveliT-4M", "persistence"),
        out=out,
        spend=spend,
        seeds=1,
        lr_grid=1,
        match=Match(kind="parameters", parameters=60_000),
        batch_size=4,
    )
    nobody = Watcher(data=lambda *_: None, runs=lambda _: None, warn=lambda _: None)
    compare(request, nobody, command=("wavelit", "compare"))
    return out


def called(monkeypatch: pytest.MonkeyPatch, base: Path, waves: Path) -> list[dict[str, Any]]:
    published: list[dict[str, Any]] = []

    def publish(_name: str, _device: str, **content: Any) -> str:
        published.append(content)
        return "written"

    monkeypatch.setattr(equal_error, "write_results", publish)
    options = ("--seconds", "0.2", "--widths", "16", "--seeds", "1", "--lr-grid", "1")
    arguments = ["equal_error", str(base), "--data", str(waves), *options, "--publish", "name"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert equal_error.main() == 0
    (content,) = published
    assert content["settings"]["shorter_seconds"] == [0.2]
    return list(content["records"])


def test_a_comparison_gets_what_is_missing_and_a_second_call_trains_nothing(
    waves: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = compared(waves, tmp_path / "base", Spend(seconds=1.0))
    found = called(monkeypatch, base, waves)
    # what is not trained has no cost to compare
    assert {record["operator"] for record in found} == {"waveliT", "waveliT-4M"}
    ours = next(record for record in found if record["operator"] == "waveliT")
    assert ours["training_over_ours_ratio"] == pytest.approx(1) or ours["at_least"]
    assert all(column.cell(record) for column in EQUAL_ERROR for record in found)
    kept = {path: path.read_bytes() for path in sorted(base.rglob("runs/*.json"))}
    assert {path.parents[1].name for path in kept} == {"base", "seconds-0.2", "widths"}
    called(monkeypatch, base, waves)
    assert {path: path.read_bytes() for path in sorted(base.rglob("runs/*.json"))} == kept
    assert "waveliT-16" not in {record.name for record in operators()}


def test_a_budget_of_steps_says_nothing_about_time(
    waves: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = compared(waves, tmp_path / "base", Spend(steps=2))
    with pytest.raises(ValueError, match="budget in seconds"):
        called(monkeypatch, base, waves)
    assert {path.parents[1] for path in base.rglob("runs/*.json")} == {
        base
    }  # nothing was trained first
