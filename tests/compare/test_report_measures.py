"""Who is best, who ties, and that the words say no more than the numbers."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wavelit_plugin.compare.report.measures import Ranking, measures, overlap, ranking
from wavelit_plugin.compare.report.numbers import estimate_text
from wavelit_plugin.compare.report.sentences import headline, remarks
from wavelit_plugin.compare.runs import Comparison, Estimate, Row, rows

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_comparison.py"))))


def compared(*made: Any, seeds: int = 3, steps: int | None = 20, lost: str = "") -> tuple[Row, ...]:
    """Rows of operators; all runs of ``lost`` diverged."""
    runs = [run for one in made for run in MADE.runs_of(one, seeds=seeds, steps=steps)]
    runs = [MADE.diverged(run) if run.spec.label == lost else run for run in runs]
    return rows(Comparison(plan=plan(made, seeds), runs=tuple(runs)))


def plan(made: tuple[Any, ...], seeds: int = 3) -> dict[str, Any]:
    return {"operators": [one.label for one in made], "seeds": seeds}


def ranked(found: tuple[Row, ...]) -> tuple[Ranking, ...]:
    return tuple(ranking(measure, found) for measure in measures(found))


def estimate(mean: float, half: float | None) -> Estimate:
    return Estimate(mean=mean, half=half, values=(mean,))


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (estimate(1.0, 0.1), estimate(1.3, 0.1), False),
        (estimate(1.0, 0.1), estimate(1.3, 0.25), True),
        (estimate(1.0, 0.0), estimate(1.2, 0.2), True),  # they touch
        (estimate(1.0, None), estimate(1.2, 0.1), False),
        (estimate(1.0, None), None, False),
    ],
)
def test_intervals_overlap_either_way_round(
    one: Estimate, other: Estimate | None, shared: bool
) -> None:
    assert overlap(one, other) is overlap(other, one) is shared


def test_the_lowest_mean_is_first_and_what_diverged_is_last() -> None:
    order = ranked(compared(MADE.FNO, MADE.WAVELIT, MADE.UNET, lost="FNO"))[0].order
    assert [row.label for row in order] == ["waveliT", "pdearena/Unetmod-64", "FNO"]


def test_operators_that_overlap_with_the_best_tie_and_others_do_not() -> None:
    near = replace(MADE.FNO, error=1.02 * MADE.WAVELIT.error, noise=0.08)
    (one_step, _) = ranked(compared(MADE.WAVELIT, near, MADE.UNO))
    assert {row.label for row in one_step.best} == {"waveliT", "FNO"}
    text = headline((one_step,))
    assert "tie for the lowest one-step error" in text
    assert "UNO" not in text


def test_one_winner_is_named_with_its_numbers_and_the_next() -> None:
    found = ranked(compared(MADE.WAVELIT, MADE.UNET, MADE.FNO))
    text = headline(found)
    assert text.startswith("waveliT has the lowest one-step error, VRMSE 0.03")
    for place in found:
        for row in place.order[:2]:
            assert estimate_text(place.measure.of(row)) in text
    ratio = found[0].mean(found[0].order[1]) / found[0].mean(found[0].order[0])
    assert f"next is pdearena/Unetmod-64, 0.0448 ± 0.0014, {ratio:.2f} times as large" in text
    assert text.count("waveliT") == 1
    assert text.endswith(".")


def test_different_winners_are_both_named() -> None:
    slow = replace(MADE.UNET, error=1.3 * MADE.WAVELIT.error, growth=1.0)
    text = headline(ranked(compared(MADE.WAVELIT, slow)))
    assert "waveliT has the lowest one-step error" in text
    assert "; pdearena/Unetmod-64 has the lowest roll-out error over steps 1 to 10" in text


def test_one_operator_is_compared_with_nothing() -> None:
    text = headline(ranked(compared(MADE.WAVELIT)))
    assert text.startswith("waveliT has a one-step error of VRMSE 0.03")
    assert "lowest" not in text


def test_where_everything_diverged_there_is_no_best() -> None:
    text = headline(ranked(compared(MADE.WAVELIT, lost="waveliT")))
    assert text.startswith("No operator has a finite one-step error")


def test_static_data_are_ranked_by_both_errors() -> None:
    found = ranked(compared(MADE.WAVELIT, MADE.FNO, steps=None))
    assert [place.measure.unit for place in found] == ["VRMSE", "L2"]
    assert "roll-out" not in headline(found)


@pytest.mark.parametrize(("steps", "window"), [(4, "1 to 4"), (10, "1 to 10"), (30, "1 to 10")])
def test_the_window_is_the_one_that_all_roll_outs_have(steps: int, window: str) -> None:
    found = measures(compared(MADE.WAVELIT, MADE.FNO, steps=steps))
    assert found[1].title == f"roll-out error over steps {window}"


def test_remarks_name_what_weakens_the_result() -> None:
    useless = replace(MADE.UNO, error=0.6)
    made = (MADE.WAVELIT, useless, MADE.FNO, MADE.PERSISTENCE)
    text = " ".join(remarks(ranked(compared(*made, lost="FNO")), plan((*made, MADE.UNET))))
    assert "FNO diverged in 1 of 1 runs" in text
    assert "No better than predicting no change, by one-step error: UNO." in text
    assert "not finished: no run of pdearena/Unetmod-64" in text
    assert "one seed only" not in text


def test_missing_seeds_and_single_seeds_are_told() -> None:
    found = ranked(compared(MADE.WAVELIT, MADE.FNO, seeds=1))
    text = " ".join(remarks(found, plan((MADE.WAVELIT, MADE.FNO), seeds=3)))
    assert "of 3 seeds there are waveliT 1 and FNO 1" in text
    assert "no interval" in text


def test_a_complete_comparison_needs_no_remark() -> None:
    assert remarks(ranked(compared(*MADE.FIVE)), plan(MADE.FIVE)) == ()
