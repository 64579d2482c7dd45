"""The order of the runs, and how long they will take."""

from dataclasses import replace

import pytest

from wavelit_plugin.compare.plan import Plan, PlannedOperator
from wavelit_plugin.compare.rates import FURTHER, middle_first
from wavelit_plugin.compare.store import RunRecord, RunSpec

PLAN = Plan(
    entries=(
        PlannedOperator(label="a", rates=(1.0, 2.0, 4.0)),
        PlannedOperator(label="b", rates=(0.1,)),
        PlannedOperator(label="repeats", rates=()),
    ),
    seeds=3,
)


def done(spec: RunSpec, validation: float | None = 0.5, seconds: float = 1.0) -> RunRecord:
    return RunRecord(
        spec=spec,
        metrics={"validation": validation, "diverged": validation is None},
        costs={"run_seconds": seconds},
    )


Errors = dict[tuple[str, float | None], float | None]

BEST_INSIDE: Errors = {("a", 2.0): 0.1}


def carried_out(plan: Plan, validation: Errors) -> list[RunRecord]:
    runs: list[RunRecord] = []
    while (spec := next(plan.missing(runs), None)) is not None:
        runs.append(done(spec, validation.get((spec.label, spec.learning_rate), 0.5)))
    return runs


def tried(runs: list[RunRecord]) -> list[float | None]:
    """The rates of a on seed 0, in order."""
    return [run.spec.learning_rate for run in runs if run.spec.label == "a" and run.spec.seed == 0]


def test_rates_come_first_then_seeds_at_the_best_and_the_operators_take_turns() -> None:
    runs = carried_out(PLAN, BEST_INSIDE)
    order = [(run.spec.label, run.spec.learning_rate, run.spec.seed) for run in runs]
    assert order == [
        ("repeats", None, 0),
        ("a", 2.0, 0),
        ("b", 0.1, 0),
        ("a", 1.0, 0),
        ("a", 4.0, 0),
        ("a", 2.0, 1),
        ("b", 0.1, 1),
        ("a", 2.0, 2),
        ("b", 0.1, 2),
    ]


def test_a_plan_that_was_stopped_anywhere_goes_on_to_the_same_runs() -> None:
    whole = carried_out(PLAN, {})
    assert len(tried(whole)) == 3 + FURTHER
    for stop in range(len(whole)):
        runs = whole[:stop]
        while (spec := next(PLAN.missing(runs), None)) is not None:
            runs = [*runs, done(spec)]
        assert runs == whole


def test_beyond_an_edge_that_is_best_the_search_goes_on_until_the_best_is_inside() -> None:
    runs = carried_out(PLAN, {("a", 4.0): 0.3, ("a", 8.0): 0.2, ("a", 16.0): 0.1, ("a", 32.0): 0.2})
    assert tried(runs) == [2.0, 1.0, 4.0, 8.0, 16.0, 32.0]
    assert {run.spec.learning_rate for run in runs if run.spec.label == "a" and run.spec.seed} == {
        16.0
    }


def test_the_search_goes_on_below_likewise_and_evenly() -> None:
    plan = replace(PLAN, entries=(PlannedOperator(label="a", rates=(1e-3, 4e-3, 8e-3)),))
    runs = carried_out(plan, {("a", 1e-3): 0.2, ("a", 2.5e-4): 0.1})
    assert tried(runs) == [4e-3, 1e-3, 8e-3, 2.5e-4, 6.25e-5]
    assert {run.spec.learning_rate for run in runs if run.spec.seed} == {2.5e-4}


def test_beyond_the_largest_the_search_is_as_even() -> None:
    plan = replace(PLAN, entries=(PlannedOperator(label="a", rates=(1e-3, 2e-3, 6e-3)),))
    assert tried(carried_out(plan, {("a", 6e-3): 0.1})) == [2e-3, 1e-3, 6e-3, 1.8e-2]


def test_a_later_seed_does_not_change_the_choice() -> None:
    runs = carried_out(PLAN, BEST_INSIDE)
    unlucky = [
        replace(run, metrics={**run.metrics, "validation": 9.0}) if run.spec.seed else run
        for run in runs
    ]
    assert list(PLAN.missing(unlucky)) == []


def test_the_search_ends_where_every_rate_is_better_than_the_last() -> None:
    runs = carried_out(PLAN, {("a", 2.0**k): 1 / (k + 1) for k in range(20)})
    assert tried(runs) == [2.0, 1.0, *(2.0**k for k in range(2, 3 + FURTHER))]
    assert {run.spec.learning_rate for run in runs if run.spec.label == "a" and run.spec.seed} == {
        64.0
    }


def test_the_edges_of_some_are_searched_in_turns_before_anybodys_seeds() -> None:
    rates = (1.0, 2.0, 4.0)
    plan = Plan(
        entries=tuple(PlannedOperator(label=label, rates=rates) for label in "abc"), seeds=2
    )
    best: Errors = {("a", 4.0): 0.1, ("b", 2.0): 0.1, ("c", 4.0): 0.2, ("c", 8.0): 0.1}
    order = [
        (run.spec.label, run.spec.learning_rate, run.spec.seed) for run in carried_out(plan, best)
    ][9:]
    assert order[:3] == [("a", 8.0, 0), ("c", 8.0, 0), ("c", 16.0, 0)]
    assert [seed for _, _, seed in order[3:]] == [1, 1, 1]


def test_a_single_rate_is_not_searched_about_even_where_others_were() -> None:
    three = carried_out(PLAN, {("a", 4.0): 0.1})
    single = replace(PLAN, entries=(PlannedOperator(label="a", rates=(2.0,)),))
    before = [run for run in three if run.spec.learning_rate in {1.0, 2.0, 4.0}]
    assert {spec.learning_rate for spec in single.missing(before)} <= {4.0}
    assert tried(carried_out(single, {})) == [2.0]


def test_finished_runs_are_not_repeated_whatever_their_order_is() -> None:
    whole = carried_out(PLAN, {})
    assert list(PLAN.missing(whole[::-1])) == []


def test_what_diverges_at_every_rate_is_not_repeated() -> None:
    rates = [2.0**-k for k in range(-2, 1 + FURTHER)]
    runs = carried_out(PLAN, {("a", rate): None for rate in rates})
    # a smaller rate might not diverge, so there the search goes on
    assert tried(runs) == [2.0, 1.0, 4.0, *rates[3:]]
    assert {run.spec.seed for run in runs if run.spec.label == "a"} == {0}


def test_a_rate_that_diverges_is_not_chosen() -> None:
    runs = carried_out(PLAN, {("a", 1.0): None, ("a", 2.0): None, ("a", 8.0): None})
    assert [run.spec.learning_rate for run in runs if run.spec.label == "a" and run.spec.seed] == [
        4.0,
        4.0,
    ]


def test_more_seeds_add_runs_and_keep_the_others() -> None:
    whole = carried_out(PLAN, BEST_INSIDE)
    more = list(replace(PLAN, seeds=4).missing(whole))
    assert more == [
        RunSpec(label="a", learning_rate=2.0, seed=3),
        RunSpec(label="b", learning_rate=0.1, seed=3),
    ]


def test_runs_of_rates_not_yet_chosen_are_counted() -> None:
    assert PLAN.left([]) == {"a": 5, "b": 3, "repeats": 1}
    whole = carried_out(PLAN, BEST_INSIDE)
    for stop, run in enumerate(whole):
        before, after = PLAN.left(whole[:stop]), PLAN.left(whole[: stop + 1])
        assert before[run.spec.label] - after[run.spec.label] == 1


def test_a_rate_beyond_the_edge_is_counted_once_it_is_known_to_be_tried() -> None:
    searched = carried_out(PLAN, {("a", 4.0): 0.1})[:5]  # all of the grid, the largest was best
    assert PLAN.left(searched)["a"] == 1 + 2
    # and nothing is repeated before
    mine = [spec for spec in PLAN.missing(searched) if spec.label == "a"]
    assert mine == [RunSpec(label="a", learning_rate=8.0, seed=0)]


def test_the_time_left_is_that_of_the_operators_own_runs_where_there_are_any() -> None:
    assert PLAN.seconds_left([]) is None
    a = done(RunSpec(label="a", learning_rate=2.0, seed=0), seconds=10.0)
    # 4 runs of a; 3 of b and 1 of repeats, of which nothing is known but the overall mean
    assert PLAN.seconds_left([a]) == 4 * 10.0 + 4 * 10.0
    b = done(RunSpec(label="b", learning_rate=0.1, seed=0), seconds=2.0)
    assert PLAN.seconds_left([a, b]) == 4 * 10.0 + 2 * 2.0 + 6.0


@pytest.mark.parametrize(
    ("rates", "order"),
    [((1.0,), (1.0,)), ((1.0, 2.0), (1.0, 2.0)), ((1.0, 2.0, 4.0, 8.0), (2.0, 4.0, 1.0, 8.0))],
)
def test_the_likeliest_rates_come_first(rates: tuple[float, ...], order: tuple[float, ...]) -> None:
    assert middle_first(rates) == order
