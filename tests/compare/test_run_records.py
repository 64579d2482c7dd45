"""The records of finished runs: what survives a kill, and what a row says of several seeds."""

import errno
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from wavelit_plugin.compare.notebook import append_line, read_lines, write_whole
from wavelit_plugin.compare.runs import (
    PLAN,
    RUNS,
    Comparison,
    RunRecord,
    Spectrum,
    estimate,
    load_comparison,
    rows,
    samples_path,
    windows_of,
)
from wavelit_plugin.compare.student import student_t
from wavelit_plugin.errors import ConfigError, DataError

SPECTRUM = Spectrum(
    wavenumber=(0.0, 1.0), truth=(1.0, 0.5), prediction=(0.9, None), error=(0.1, None)
)
RUN = RunRecord(
    operator="FNO",
    label="FNO",
    criterion="mse",
    learning_rate=2e-3,
    seed=0,
    width=32,
    parameters=1000,
    steps=10,
    training_seconds=2.0,
    step_seconds=0.2,
    inference_seconds=0.01,
    peak_bytes=4096,
    flops=None,
    validation=0.2,
    curve=((5, 1.0, 0.5), (10, 2.0, 0.25)),
    one_step=0.3,
    relative_l2=0.25,
    fields={"u": 0.3},
    rollout=(0.3, 0.4, None),
    spectrum=SPECTRUM,
    diverged=False,
    run_seconds=3.0,
    settings="key",
)


def compared(*runs: RunRecord, rates: tuple[float, ...] = ()) -> Comparison:
    labels = list(dict.fromkeys(run.label for run in runs))
    plan = {"operators": labels, "rates": {label: list(rates) for label in labels}}
    return Comparison(plan=plan, runs=runs)


def test_a_run_that_is_written_is_read_back(tmp_path: Path) -> None:
    static = replace(RUN, rollout=None, spectrum=None, learning_rate=None, width=None)
    for run in (RUN, static):
        append_line(tmp_path / RUNS, run.as_plain())
    write_whole(tmp_path / PLAN, {"format": 1, "settings": "key", "operators": ["FNO"]})
    assert load_comparison(tmp_path).runs == (RUN, static)


def test_runs_of_other_settings_are_left_out(tmp_path: Path) -> None:
    append_line(tmp_path / RUNS, replace(RUN, settings="other").as_plain())
    append_line(tmp_path / RUNS, RUN.as_plain())
    write_whole(tmp_path / PLAN, {"format": 1, "settings": "key", "operators": ["FNO"]})
    assert load_comparison(tmp_path).runs == (RUN,)


@pytest.mark.parametrize("kept", [0, 1, 17, -1])
def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / RUNS
    append_line(path, {"number": 1})
    whole = path.read_bytes()
    append_line(path, {"number": 2, "text": "long enough to be cut"})
    cut = path.read_bytes()[len(whole) :][:kept]
    path.write_bytes(whole + cut)
    assert read_lines(path) == ({"number": 1},)
    append_line(path, {"number": 3})
    assert read_lines(path) == ({"number": 1}, {"number": 3})


def test_a_full_disk_is_one_error_and_what_is_finished_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / RUNS
    append_line(path, {"n": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device; free some room"):
            append_line(path, {"n": 2})
    path.write_bytes(path.read_bytes()[:-3])  # what of the line the disk did not take
    assert read_lines(path) == ({"n": 1},)
    append_line(path, {"n": 3})
    assert read_lines(path) == ({"n": 1}, {"n": 3})


def test_a_damaged_line_among_finished_ones_is_named(tmp_path: Path) -> None:
    path = tmp_path / RUNS
    path.write_text('{"a": 1}\n{"a":\n[3]\n')
    with pytest.raises(DataError, match=r"runs\.jsonl is damaged at line 2"):
        read_lines(path)
    path.write_text("[3]\n")
    with pytest.raises(DataError, match="must hold JSON objects, line 1 is list"):
        read_lines(path)


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_line(tmp_path / RUNS, {"error": math.nan})


def test_a_folder_without_comparison_and_one_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no comparison"):
        load_comparison(tmp_path)
    (tmp_path / PLAN).write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="format 99"):
        load_comparison(tmp_path)


def test_a_run_that_lacks_a_key_is_refused() -> None:
    plain = RUN.as_plain()
    del plain["one_step"]
    with pytest.raises(DataError, match="lacks one_step"):
        RunRecord.from_plain(plain)


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
        replace(RUN, learning_rate=rate, validation=validation, one_step=test)
        for rate, validation, test in ((1.0, 0.5, 0.1), (2.0, 0.3, 0.9), (4.0, None, None))
    ]
    (row,) = rows(compared(*runs))
    assert row.learning_rate == 2.0
    assert row.one_step is not None
    assert row.one_step.mean == 0.9
    assert row.tried == ((1.0, 0.5), (2.0, 0.3), (4.0, None))


@pytest.mark.parametrize(("best", "edge"), [(1.0, True), (2.0, False), (4.0, True)])
def test_a_best_rate_at_the_edge_is_said(best: float, *, edge: bool) -> None:
    runs = [
        replace(RUN, learning_rate=rate, validation=0.1 if rate == best else 0.2)
        for rate in (1.0, 2.0, 4.0)
    ]
    (row,) = rows(compared(*runs, rates=(1.0, 2.0, 4.0)))
    assert row.rate_at_edge is edge


def test_a_single_rate_is_no_edge() -> None:
    (row,) = rows(compared(RUN, rates=(2e-3,)))
    assert not row.rate_at_edge


def test_a_row_averages_the_seeds_at_the_best_rate_alone() -> None:
    runs = [
        replace(RUN, seed=0, one_step=0.1, rollout=(0.1,) * 10, training_seconds=1.0),
        replace(RUN, seed=1, one_step=0.3, rollout=(0.3,) * 10, training_seconds=9.0),
        replace(RUN, seed=2, one_step=0.2, rollout=(0.2,) * 10, training_seconds=2.0),
        replace(RUN, seed=0, learning_rate=1.0, validation=0.9, one_step=5.0),
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
    diverged = replace(RUN, seed=1, diverged=True, one_step=None, rollout=(None,) * 3)
    (row,) = rows(compared(replace(RUN, rollout=(0.1,) * 3), diverged))
    assert row.one_step is None
    assert row.diverged == 1
    assert row.windows == {"1-3": None}
    assert row.rollout == (None, None, None)


def test_operators_without_a_run_of_seed_0_have_no_row() -> None:
    assert rows(compared(replace(RUN, seed=1))) == ()


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
