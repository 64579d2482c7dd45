"""The comparison on APEBench: metric, schedule, and that what is done is not done again."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.apebench import table, wavelit
from benchmarks.apebench.__main__ import RUNS, plan
from benchmarks.apebench.protocol import (
    PROBLEMS,
    RATE,
    RIVALS,
    WAVELIT,
    Record,
    Run,
    geometric_mean,
    mean_nrmse,
    missing,
    rate_at,
    save,
)
from benchmarks.lines import read_lines
from benchmarks.tables import README

RUN = Run("burgers", "Conv;34;10;relu", 0)


def test_the_error_is_relative_to_each_trajectory_and_summed_over_channels() -> None:
    truth = np.random.default_rng(0).normal(size=(3, 4, 2, 8)).astype(np.float32)
    truth[0] *= 100  # a share of each trajectory's own size, so this one counts no more
    share = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    found = mean_nrmse(truth * (1 + share[:, None, None]), truth)
    assert found == pytest.approx(list(2 * share), rel=1e-5)


def test_the_rate_is_that_of_apebench() -> None:
    # optax.warmup_cosine_decay_schedule(0, 1e-3, 2_000, 10_000) at these updates
    updates = {0: 0.0, 1_000: 5e-4, 2_000: RATE, 6_000: 5e-4, 8_000: RATE * (1 - 0.5**0.5) / 2}
    assert [rate_at(n) for n in updates] == pytest.approx(list(updates.values()))
    assert rate_at(9_999) < 1e-9


def test_a_roll_out_that_blows_up_has_no_mean() -> None:
    assert geometric_mean([1e-2, 1e-4]) == pytest.approx(1e-3)
    assert geometric_mean([1e-2, math.nan]) == math.inf
    assert RUN.record([0.1, math.inf])["nrmse_by_step"] == [0.1, None]
    assert RUN.record([0.1, math.inf])["geometric_mean_nrmse_steps_1_100"] is None


def test_a_run_is_done_once_and_again_with_another_configuration(tmp_path: Path) -> None:
    path, locks = tmp_path / "runs.jsonl", tmp_path / "locks"
    runs = [Run("burgers", WAVELIT, seed, {"width": 8}) for seed in range(3)]
    for number, run in enumerate(missing(runs, path, locks)):
        # while it is being done, others find the rest
        assert run not in list(missing(runs, path, locks))
        if number == 1:
            break
        save(run.record([0.1]), path, locks)
    assert list(missing(runs, path, locks)) == runs[1:]
    other = Run("burgers", WAVELIT, 0, {"width": 16})
    assert list(missing([other], path, locks)) == [other]


def test_all_networks_are_planned_the_first_seeds_first() -> None:
    runs = plan(list(PROBLEMS), [WAVELIT, *RIVALS], list(range(5)))
    seeds = [run.seed for run in runs]
    assert seeds == sorted(seeds)
    assert len(runs) == len(PROBLEMS) * (5 + 3 * len(RIVALS))


def test_ours_is_no_larger_than_the_others_in_1d() -> None:
    u, after = torch.randn(2, 3, 1, 16)
    for problem, (_, changes) in PROBLEMS.items():
        if not changes:
            config = wavelit.config_of(problem, WAVELIT)
            model = wavelit.fitted(Run(problem, WAVELIT, 0, config), u, after)
            assert wavelit.size(model) <= wavelit.LARGEST


@pytest.mark.parametrize("network", [WAVELIT, RIVALS[0]])
def test_a_run_is_known_again_by_its_record(network: str, tmp_path: Path) -> None:
    """A configuration that is not the same after it was a line of JSON would be run for ever."""
    (run,) = plan(["burgers"], [network], [0])
    save(run.record([0.1]), tmp_path / "runs.jsonl", tmp_path)
    assert not list(missing([run], tmp_path / "runs.jsonl", tmp_path))


def test_training_learns_a_law_and_rolls_it_out() -> None:
    """A law with a known solution: in every step the field moves by a point and halves."""
    u = np.random.default_rng(0).normal(size=(8, 1, 1, 16)).astype(np.float32)
    moved = [np.roll(u, step, axis=-1) * 0.5**step for step in range(6)]
    trajectories = np.concatenate(moved, axis=1)
    torch.manual_seed(0)
    model = torch.nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")
    before, after = wavelit.pairs(trajectories)
    wavelit.descend(model, before, after, updates=2_000)
    errors = mean_nrmse(wavelit.roll_out(model, trajectories), trajectories[:, 1:])
    # a field that halves and does not move errs by the root of 2; what is left over of a step is
    # carried on, so that the fifth has seen it five times
    assert errors[0] < 0.1
    assert errors[4] < 10 * errors[0]


def _record(network: str, seed: int, error: float | None, **config: Any) -> Record:
    made = Run("burgers", network, seed, config).record([0.1])
    return {**made, "geometric_mean_nrmse_steps_1_100": error}


def test_the_table_is_of_the_last_size_of_ours_and_says_of_how_many_seeds() -> None:
    records = [
        _record(WAVELIT, 0, 0.9, width=8),
        _record(WAVELIT, 0, 0.1, width=16),
        _record(WAVELIT, 1, 0.3, width=16),
        _record(RIVALS[0], 0, 0.5),
        _record(RIVALS[1], 0, 0.5),
        _record(RIVALS[1], 1, None),
    ]
    *_, row = table.markdown(table.cells(records)).splitlines()
    cells = ["0.2 (2 seeds, 0.1-0.3)", "0.5 (one seed)"]
    assert row == f"| burgers | {' | '.join(cells)} | inf (2 seeds, 0.5-inf) |  |  |  |"


def test_the_plot_names_what_is_in_any_panel_and_keeps_them_apart() -> None:
    """Also a network that is not in the first one."""
    names = [WAVELIT, *reversed(RIVALS)]
    found = {}
    for problem, name in zip(("burgers", *["korteweg-de-vries"] * 5), names, strict=True):
        found[problem, name] = [Run(problem, name, 0).record([0.1, 0.2])]
    figure = table.figure_of(found)
    assert [panel.get_title() for panel in figure.axes] == ["burgers", "korteweg-de-vries"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [WAVELIT, *RIVALS]
    looks = {(line.get_color(), line.get_linestyle()) for line in legend.get_lines()}
    assert len(looks) == len(names)


def test_the_readme_holds_the_table_of_the_runs() -> None:
    text = README.read_text(encoding="utf-8")
    assert table.with_table(text, read_lines(RUNS)) == text
