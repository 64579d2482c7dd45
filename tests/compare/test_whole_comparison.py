"""Whole comparisons of tiny operators: what they write, and what a kill costs them."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from wavelit_plugin.compare.comparison import Progress, Watcher, compare, device_lock
from wavelit_plugin.compare.experiment import Experiment
from wavelit_plugin.compare.request import CompareRequest, Match, Spend
from wavelit_plugin.compare.runs import Comparison, load_comparison, rows, samples_path
from wavelit_plugin.compare.store import PLAN, RUNS, RunRecord
from wavelit_plugin.errors import ConfigError, DataError, HostError
from wavelit_plugin.files import lock_if_free
from wavelit_plugin.plugins.types import OperatorRecord

pytestmark = pytest.mark.usefixtures("tiny_operators")

ARGUMENTS = (
    "--operators", "tiny,persistence,linear", "--budget", "steps=6", "--seeds", "2",
    "--lr-grid", "2", "--match", "native", "--batch-size", "4", "--json",
)  # fmt: skip


def request_of(waves: Path, out: Path, **changes: Any) -> CompareRequest:
    values = {
        "data": str(waves),
        "operators": ("tiny", "persistence", "linear"),
        "out": out,
        "spend": Spend(steps=6),
        "seeds": 2,
        "lr_grid": 2,
        "match": Match(kind="native"),
        "batch_size": 4,
    }
    return CompareRequest(**{**values, **changes})


def nobody() -> Watcher:
    return Watcher(data=lambda *_: None, runs=lambda _: None, warn=lambda _: None)


def run(request: CompareRequest) -> Comparison:
    return compare(request, nobody(), command=("wavelit", "compare"))


def numbers(comparison: Comparison) -> list[tuple[object, ...]]:
    """Everything but times, which no two runs share."""
    return [
        (run.spec, run.metrics, run.costs["steps"], [(step, loss) for step, _, loss in run.curve])
        for run in sorted(comparison.runs, key=lambda run: str(run.spec))
    ]


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / RUNS).glob("*.json")}


@pytest.fixture(scope="module")
def whole(waves: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that nothing disturbed."""
    import runpy

    from wavelit_plugin.compare import comparison, contestants

    found: Any = runpy.run_path(str(Path(__file__).with_name("tiny_operators.py")))
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        for module in (contestants, comparison):
            patch.setattr(module, "operators", found["known"])
        run(request_of(waves, out))
    return out


def test_every_operator_has_its_runs_and_a_row(whole: Path) -> None:
    comparison = load_comparison(whole)
    counts = dict.fromkeys(comparison.plan["operators"], 0)
    for record in comparison.runs:
        counts[record.spec.label] += 1
    tiny, persistence, linear = rows(comparison)
    # one of the two rates that were asked for is always at an edge
    assert len(tiny.tried) > 2
    assert counts == {"tiny": len(tiny.tried) + 1, "persistence": 1, "linear": 1}
    assert (tiny.seeds, tiny.trained, tiny.steps) == (2, True, 6)
    assert not tiny.rate_at_edge
    assert tiny.parameters == 5 * 4 * 9 + 4 + 4 * 3 + 3 + 2 * 4
    assert (persistence.trained, persistence.parameters) == (False, 0)
    assert tiny.one_step is not None
    assert persistence.one_step is not None
    assert linear.one_step is not None
    assert linear.one_step.mean < persistence.one_step.mean
    assert tiny.windows.keys() == {"1-5"}


def test_persistence_is_exact_at_repeating(whole: Path, waves: Path) -> None:
    from wavelit_plugin.compare.evaluate import one_step_error, persistence, roll_out
    from wavelit_plugin.compare.measure import rolled_trajectories, validation_error
    from wavelit_plugin.data.readers import read_grid_data

    data = read_grid_data(waves)
    test = rolled_trajectories(data)
    assert test is not None
    (record,) = (r for r in load_comparison(whole).runs if r.spec.label == "persistence")
    # through normalisation and back, in float32; the two splits differ by much more
    expected = validation_error(persistence(3), data.valid, "cpu")
    assert record.metrics["validation"] == pytest.approx(expected, rel=1e-4)
    assert record.metrics["validation"] != pytest.approx(record.metrics["one_step"], rel=1e-2)
    assert record.metrics["one_step"] == pytest.approx(
        one_step_error(persistence(3), test), rel=1e-4
    )
    held = torch.load(samples_path(whole, "persistence", None), weights_only=True)
    assert torch.allclose(held["prediction"][:, 1:], roll_out(persistence(3), test), atol=1e-5)


def test_the_plan_says_what_was_asked(whole: Path, waves: Path) -> None:
    plan = json.loads((whole / PLAN).read_text())
    assert plan["command"] == ["wavelit", "compare"]
    assert plan["budget"] == {"steps": 6}
    assert plan["data"]["fields"] == ["pressure", "velocity_x", "velocity_y"]
    assert plan["data"]["frames"] == 6
    assert (plan["data"]["train_samples"], plan["data"]["valid_samples"]) == (20, 5)
    assert plan["rates"]["tiny"] == [3e-3, 1e-2]
    assert plan["ecosystems"]["linear"] == "baseline"
    assert str(waves.parent) not in json.dumps(plan)


def test_fields_of_seed_0_are_kept_at_every_rate(whole: Path) -> None:
    names = {path.name for path in (whole / "samples").iterdir()}
    tried = [rate for rate, _ in rows(load_comparison(whole))[0].tried]
    assert {3e-3, 1e-2} < set(tried)
    assert names == {*(f"tiny@{rate:g}.pt" for rate in tried), "persistence.pt", "linear.pt"}


def test_data_that_were_moved_are_the_same_data(whole: Path, waves: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.symlink_to(waves)
    again = compare(request_of(moved, whole), replace(nobody(), runs=fail))
    assert again.runs == load_comparison(whole).runs


def test_a_finished_comparison_does_nothing_again(whole: Path, waves: Path) -> None:
    before = kept(whole)
    again = compare(request_of(waves, whole), replace(nobody(), runs=fail))
    assert kept(whole) == before
    assert again.runs == load_comparison(whole).runs


def fail(state: Progress) -> None:
    raise AssertionError(f"{state.what} was done again")


def test_the_same_request_gives_the_same_numbers(whole: Path, waves: Path, tmp_path: Path) -> None:
    torch.manual_seed(1234)
    assert numbers(run(request_of(waves, tmp_path))) == numbers(load_comparison(whole))


def test_every_stop_between_two_runs_leads_to_the_same_table(
    whole: Path, waves: Path, tmp_path: Path
) -> None:
    class Stop(Exception):  # noqa: N818  (no error)
        pass

    def once_a_start(state: Progress) -> None:
        if state.share > 0.5 and state.what not in stopped:
            stopped.append(state.what)
            raise Stop

    stopped: list[str] = []
    found = None
    while found is None:
        try:
            found = compare(request_of(waves, tmp_path), replace(nobody(), runs=once_a_start))
        except Stop:  # noqa: PERF203  (each start is a try)
            continue
    # each training once, those of rates beyond the two that were asked for too
    assert len(stopped) == sum(run.spec.label == "tiny" for run in found.runs) > 3
    assert numbers(found) == numbers(load_comparison(whole))


def test_operators_and_seeds_can_be_added(whole: Path, waves: Path, tmp_path: Path) -> None:
    run(request_of(waves, tmp_path, operators=("persistence",)))
    run(request_of(waves, tmp_path, operators=("tiny",), seeds=1))
    found = run(request_of(waves, tmp_path, operators=("linear", "tiny")))
    assert found.plan["operators"] == ["persistence", "tiny", "linear"]
    assert numbers(found) == numbers(load_comparison(whole))
    assert len(found.plan["commands"]) == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"spend": Spend(steps=7)}, r"budget: steps 6 there, 7 now"),
        ({"batch_size": 5}, r"batch_size: 4 there, 5 now"),
        ({"predict": "state"}, r"predict: change there, state now"),
        ({"match": Match(kind="parameters", parameters=300)}, r"match: native there"),
    ],
)
def test_runs_of_other_settings_are_never_mixed_in(
    whole: Path, waves: Path, changes: dict[str, Any], named: str
) -> None:
    before = kept(whole), (whole / PLAN).read_bytes()
    with pytest.raises(ConfigError, match=named):
        run(request_of(waves, whole, **changes))
    assert (kept(whole), (whole / PLAN).read_bytes()) == before


def test_what_diverges_is_said_and_the_others_go_on(waves: Path, tmp_path: Path) -> None:
    found = run(request_of(waves, tmp_path, operators=("explodes", "tiny")))
    exploded, tiny = rows(found)
    assert (exploded.diverged, exploded.seeds, exploded.steps) == (1, 1, 3)
    assert exploded.one_step is None
    assert exploded.rollout == (None,) * 5
    assert tiny.seeds == 2
    assert not any("explodes" in path.name for path in (tmp_path / "samples").iterdir())


def test_what_fails_is_named_at_the_end_and_the_others_are_done(
    waves: Path, tmp_path: Path
) -> None:
    warned: list[str] = []
    request = request_of(waves, tmp_path, operators=("fails", "tiny"))
    with pytest.raises(HostError, match=r"fails: out of memory; the other operators are done"):
        compare(request, replace(nobody(), warn=warned.append))
    assert warned == ["fails failed and is left alone: out of memory"]
    assert {record.spec.label for record in load_comparison(tmp_path).runs} == {"tiny"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("absent", "its package is not installed"), ("picky", "it takes 3-D fields only")],
)
def test_who_cannot_take_part_is_named_before_anything_runs_or_left_out(
    waves: Path, tmp_path: Path, name: str, reason: str
) -> None:
    request = request_of(waves, tmp_path, operators=(name, "persistence"))
    with pytest.raises(HostError, match=rf"cannot compare {name}: {reason}"):
        compare(request, nobody())
    assert not kept(tmp_path)
    warned: list[str] = []
    found = compare(replace(request, skip_missing=True), replace(nobody(), warn=warned.append))
    assert warned == [f"left out {name}: {reason}"]
    assert [row.label for row in rows(found)] == ["persistence"]


def test_nobody_is_left_is_an_error(waves: Path, tmp_path: Path) -> None:
    request = request_of(waves, tmp_path, operators=("absent",), skip_missing=True)
    with pytest.raises(ConfigError, match="no operator is left"):
        run(request)


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        (("tinny",), "unknown operator 'tinny'; did you mean 'tiny'"),
        (("tiny:wavelett",), "unknown criterion 'wavelett'; did you mean 'wavelet'"),
        (("persistence:wavelet",), "persistence is not trained by a criterion"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(
    waves: Path, tmp_path: Path, operators: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(request_of(waves, tmp_path, operators=operators))


def test_another_criterion_has_a_label_and_other_numbers(waves: Path, tmp_path: Path) -> None:
    found = run(request_of(waves, tmp_path, operators=("tiny", "tiny:wavelet", "tiny:mse")))
    plain, wavelet = rows(found)
    assert (plain.label, plain.criterion) == ("tiny", "mse")
    assert (wavelet.label, wavelet.criterion, wavelet.operator) == (
        "tiny:wavelet",
        "wavelet",
        "tiny",
    )
    assert plain.one_step != wavelet.one_step


def test_parameters_are_matched(waves: Path, tmp_path: Path) -> None:
    match = Match(kind="parameters", parameters=300)
    (row,) = rows(run(request_of(waves, tmp_path, operators=("tiny",), match=match)))
    # 3 + 51 a width: 6 is nearest
    assert (row.width, row.parameters) == (6, 309)


def test_a_matched_time_is_measured_once_and_kept(
    waves: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[str, int | None]] = []

    def seconds(_: Experiment, record: OperatorRecord, width: int | None) -> float:
        measured.append((record.name, width))
        return 0.013 if record.name == "waveliT" else 0.001 * (width or 1)

    monkeypatch.setattr(Experiment, "step_seconds", seconds)
    match = Match(kind="seconds")
    request = request_of(waves, tmp_path, operators=("tiny", "waveliT"), match=match)
    assert {row.label: row.width for row in rows(run(request))} == {"tiny": 13, "waveliT": None}
    assert measured[0] == ("waveliT", None)
    assert measured.count(("waveliT", None)) == 1
    measured.clear()
    for path in (tmp_path / RUNS).glob("*.json"):
        path.unlink()
    assert [row.width for row in rows(run(request))] == [13, None]
    assert measured == []


def test_static_data_are_compared_without_rollouts(tmp_path: Path) -> None:
    folder = tmp_path / "darcy"
    folder.mkdir()
    x = torch.rand(20, 16, 16)
    for split in ("train", "test"):
        torch.save({"x": x > 0.5, "y": x.square()}, folder / f"darcy_{split}_16.pt")
    request = request_of(folder, tmp_path / "out", operators=("tiny", "linear"))
    found = run(request)
    assert found.plan["predict"] == "state"
    assert all(record.metrics["rollout"] is None for record in found.runs)
    held = torch.load(samples_path(request.out, "linear", None), weights_only=True)
    assert held["input"].shape == held["truth"].shape == held["prediction"].shape == (2, 1, 16, 16)
    persistence = replace(request, operators=("persistence",))
    with pytest.raises(HostError, match="persistence: the output continues no input"):
        run(persistence)


def test_a_problem_is_simulated_in_the_folder(tmp_path: Path) -> None:
    request = request_of(tmp_path, tmp_path / "out", operators=("persistence",))
    request = replace(request, data="acoustics", size=16, trajectories=2)
    first = run(request)
    assert first.plan["data"]["name"] == "acoustics_16"
    assert (request.out / "data" / "acoustics_16.json").is_file()
    assert run(request).runs == first.runs


def test_sizes_are_for_problems_alone(waves: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="size is for problems that are simulated"):
        run(request_of(waves, tmp_path, size=16))
    with pytest.raises(ConfigError, match="did you mean 'acoustics'"):
        run(request_of(waves, tmp_path, data="acoustic"))
    with pytest.raises(DataError, match="does not exist"):
        run(request_of(waves, tmp_path, data="no/such/place"))


def started(
    tiny_command: Callable[..., subprocess.Popen[str]], waves: Path, out: Path, **options: int
) -> subprocess.Popen[str]:
    return tiny_command("compare", "--data", str(waves), "--out", str(out), *ARGUMENTS, **options)


def test_killed_in_the_middle_of_a_record_and_restarted_it_gives_the_same_table(
    whole: Path,
    waves: Path,
    tmp_path: Path,
    tiny_command: Callable[..., subprocess.Popen[str]],
) -> None:
    killed = started(tiny_command, waves, tmp_path, dies=3)
    killed.communicate(timeout=100)
    assert killed.returncode == -signal.SIGKILL
    assert list((tmp_path / RUNS).glob(".partial-*"))
    assert len(load_comparison(tmp_path).runs) == 2
    finished = started(tiny_command, waves, tmp_path)
    out, err = finished.communicate(timeout=100)
    assert finished.returncode == 0, err
    assert "run 3/5" in err
    assert "run 2/5" not in err
    assert "wavelit: no report: figures need matplotlib" in err
    found = load_comparison(tmp_path)
    # the process counts threads and packages as this one does, so the settings agree
    assert numbers(found) == numbers(load_comparison(whole))
    printed = json.loads(out)
    assert [row["label"] for row in printed["rows"]] == ["tiny", "persistence", "linear"]
    assert printed["report"] is None


def test_three_processes_one_of_them_killed_do_what_one_does(
    whole: Path,
    waves: Path,
    tmp_path: Path,
    tiny_command: Callable[..., subprocess.Popen[str]],
) -> None:
    processes = [started(tiny_command, waves, tmp_path, dies=dies) for dies in (1, 0, 0)]
    ends = [process.communicate(timeout=200) for process in processes]
    codes = [process.returncode for process in processes]
    assert codes[1:] == [0, 0], ends
    # it dies in its first run, unless the others were faster by all of them
    assert codes[0] in {-signal.SIGKILL, 0}
    found = load_comparison(tmp_path)
    assert numbers(found) == numbers(load_comparison(whole))
    assert json.loads(ends[1][0])["rows"] == json.loads(ends[2][0])["rows"]


def test_runs_of_a_budget_in_seconds_have_the_device_one_at_a_time(
    waves: Path, tmp_path: Path, tiny_command: Callable[..., subprocess.Popen[str]]
) -> None:
    given = ("--data", str(waves), "--out", str(tmp_path), "--operators", "tiny", "--json")
    budget = ("--budget", "seconds=0.1", "--match", "native", "--seeds", "1", "--lr-grid", "1")
    with lock_if_free(tmp_path / RUNS, device_lock("cpu")) as mine:
        assert mine
        process = tiny_command("compare", *given, *budget)
        deadline = time.monotonic() + 90
        while not list((tmp_path / RUNS).glob("tiny*.lock")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)  # ten times the budget
        assert not kept(tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(kept(tmp_path)) == 1


def test_interrupted_it_says_so_in_one_line_and_goes_on(
    waves: Path, tmp_path: Path, tiny_command: Callable[..., subprocess.Popen[str]]
) -> None:
    long = ("--data", str(waves), "--out", str(tmp_path), "--operators", "persistence,tiny")
    budget = ("--budget", "seconds=100", "--match", "native")
    process = tiny_command("compare", *long, *budget)
    deadline = time.monotonic() + 90
    while not kept(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # the second run has begun
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("wavelit: interrupted; finished runs are kept in")
    assert "Traceback" not in err
    records: tuple[RunRecord, ...] = load_comparison(tmp_path).runs
    assert [record.spec.label for record in records] == ["persistence"]
