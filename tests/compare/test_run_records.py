"""What a row says of several seeds, and what a folder must hold."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wavelit_plugin.compare.runs import (
    Comparison,
    estimate,
    load_comparison,
    rows,
    samples_path,
    windows_of,
)
from wavelit_plugin.compare.store import PLAN, RunRecord, RunSpec
from wavelit_plugin.compare.student import student_t
from wavelit_plugin.errors import ConfigError, DataError

RUN = RunRecord(
    spec=RunSpec(label="FNO", learning_rate=2e-3),
    metrics={
        "validation": 0.2,
        "one_step": 0.3,
        "relative_l2": 0.25,
        "fields": {"u": 0.3},
        "rollout": [0.3, 0.4, None],
        "diverged": False,
    },
    costs={
        "parameters": 1000,
        "steps": 10,
        "training_seconds": 2.0,
        "step_seconds": 0.2,
        "inference_seconds": 0.01,
        "peak_bytes": 4096,
        "flops": None,
    },
)


def run(*, rate: float = 2e-3, seed: int = 0, seconds: float = 2.0, **metrics: Any) -> RunRecord:
    return replace(
        RUN,
        spec=replace(RUN.spec, learning_rate=rate, seed=seed),
        metrics={**RUN.metrics, **metrics},
        costs={**RUN.costs, "training_seconds": seconds},
    )


def compared(*runs: RunRecord, rates: tuple[float, ...] = ()) -> Comparison:
    labels = list(dict.fromkeys(one.spec.label for one in runs))
    plan = {"operators": labels, "rates": {label: list(rates) for label in labels}}
    return Comparison(plan=plan, runs=runs)


def test_a_folder_without_comparison_and_one_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no comparison"):
        load_comparison(tmp_path)
    (tmp_path / PLAN).write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        load_comparison(tmp_path)


def test_a_run_that_lacks_a_number_is_one_error() -> None:
    metrics = {name: value for name, value in RUN.metrics.items() if name != "one_step"}
    with pytest.raises(DataError, match="KeyError: 'one_step'"):
        rows(compared(replace(RUN, metrics=metrics)))


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 99])
def test_student_t_is_that_of_scipy(freedom: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = float(stats.t.ppf(0.975, freedom))
    # bisection of an interval of 64 in 60 steps; the tail is summed in double precision
    assert student_t(freedom) == pytest.approx(expected, rel=1e-9)


def test_no_degree_of_freedom_has_no_interval() -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        student_t(0)


def test_the_interval_is_that_of_a_mean_of_three() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found is not None
    assert found.mean == 2.0
    # t = 4.3027 for two degrees of freedom, deviation 1, over the root of 3
    assert found.half == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert (found.low, found.high) == (2.0 - (found.half or 0), 2.0 + (found.half or 0))


def test_one_value_has_no_interval_and_a_missing_one_no_mean() -> None:
    single = estimate([0.5])
    assert single is not None
    assert single.half is None
    assert single.low == single.high == 0.5
    assert estimate([0.5, None]) is None
    assert estimate([]) is None


def test_the_best_rate_is_that_of_validation_never_of_the_test() -> None:
    runs = [
        run(rate=rate, validation=validation, one_step=test)
        for rate, validation, test in ((1.0, 0.5, 0.1), (2.0, 0.3, 0.9), (4.0, None, None))
    ]
    (row,) = rows(compared(*runs))
    assert row.learning_rate == 2.0
    assert row.one_step is not None
    assert row.one_step.mean == 0.9
    assert row.tried == ((1.0, 0.5), (2.0, 0.3), (4.0, None))


@pytest.mark.parametrize(("best", "edge"), [(1.0, True), (2.0, False), (4.0, True)])
def test_a_best_rate_at_the_edge_is_said(best: float, *, edge: bool) -> None:
    runs = [run(rate=rate, validation=0.1 if rate == best else 0.2) for rate in (1.0, 2.0, 4.0)]
    (row,) = rows(compared(*runs, rates=(1.0, 2.0, 4.0)))
    assert row.rate_at_edge is edge


def test_a_single_rate_is_no_edge() -> None:
    (row,) = rows(compared(RUN, rates=(2e-3,)))
    assert not row.rate_at_edge


def test_a_row_averages_the_seeds_at_the_best_rate_alone() -> None:
    runs = [
        run(seed=0, one_step=0.1, rollout=(0.1,) * 10, seconds=1.0),
        run(seed=1, one_step=0.3, rollout=(0.3,) * 10, seconds=9.0),
        run(seed=2, one_step=0.2, rollout=(0.2,) * 10, seconds=2.0),
        run(seed=0, rate=1.0, validation=0.9, one_step=5.0),
    ]
    (row,) = rows(compared(*runs))
    assert row.one_step is not None
    assert row.one_step.values == (0.1, 0.3, 0.2)
    assert row.windows.keys() == {"1-5", "6-10", "1-10"}
    window = row.windows["6-10"]
    assert window is not None
    assert window.mean == pytest.approx(0.2)
    assert row.training_seconds == 2.0
    assert row.seeds == 3


def test_a_diverged_seed_leaves_no_mean_of_the_others() -> None:
    diverged = run(seed=1, diverged=True, one_step=None, rollout=(None,) * 3)
    (row,) = rows(compared(run(rollout=(0.1,) * 3), diverged))
    assert row.one_step is None
    assert row.diverged == 1
    assert row.windows == {"1-3": None}
    assert row.rollout == (None, None, None)


def test_operators_without_a_run_of_seed_0_have_no_row() -> None:
    assert rows(compared(run(seed=1))) == ()


@pytest.mark.parametrize(
    ("steps", "windows"),
    [
        (1, ((1, 1),)),
        (5, ((1, 5),)),
        (7, ((1, 5), (1, 7))),
        (10, ((1, 5), (6, 10), (1, 10))),
        (20, ((1, 5), (6, 10), (1, 10), (11, 20))),
    ],
)
def test_windows_fit_the_rollout(steps: int, windows: tuple[tuple[int, int], ...]) -> None:
    assert windows_of(steps) == windows


def test_fields_of_every_label_and_rate_have_a_file_of_their_own(tmp_path: Path) -> None:
    names = {
        samples_path(tmp_path, label, rate).name
        for label in ("FNO", "pdearena/ResNet-128", "FNO:wavelet")
        for rate in (None, 1e-3, 2e-3)
    }
    assert len(names) == 9
    assert not any(set(name) & set('/\\:*?"<>|') for name in names)
