"""Whole comparisons with a recipe: one folder, one recipe; old folders are of none."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wavelit_plugin.cli import main
from wavelit_plugin.compare import report
from wavelit_plugin.compare.comparison import Progress, Watcher, compare
from wavelit_plugin.compare.request import (
    PLAIN,
    CompareRequest,
    Match,
    Recipe,
    Spend,
    compare_request,
)
from wavelit_plugin.compare.training import POLICY, policy_of
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.errors import ConfigError, HostError


def silent(*_: object) -> None:
    """For reports that nobody reads."""


def request_of(data: Path, out: Path, **changes: Any) -> CompareRequest:
    values = {
        "data": str(data),
        "operators": ("tiny", "persistence"),
        "out": out,
        "spend": Spend(steps=4),
        "seeds": 1,
        "lr_grid": 1,
        "match": Match(kind="native"),
        "batch_size": 4,
    }
    return CompareRequest(**{**values, **changes})


NOBODY = Watcher(data=silent, runs=silent, warn=silent)


def fail(state: Progress) -> None:
    raise AssertionError(f"{state.what} was done again")


@pytest.mark.usefixtures("tiny_operators")
def test_a_folder_is_of_one_recipe_and_one_without_says_what_it_always_said(
    waves: Path, tmp_path: Path
) -> None:
    plain = compare(request_of(waves, tmp_path), NOBODY)
    assert plain.plan["policy"] == {**POLICY}
    changed = request_of(waves, tmp_path, recipe=Recipe(noise=0.5))
    with pytest.raises(ConfigError, match=r"policy: noise None there, 0.5 now"):
        compare(changed, NOBODY)
    same = request_of(waves, tmp_path, recipe=Recipe(noise=0.0, push_forward=0.0))
    assert compare(same, replace(NOBODY, runs=fail)).runs == plain.runs


@pytest.mark.usefixtures("tiny_operators")
def test_a_comparison_with_a_recipe_trains_everybody_by_it_and_goes_on(
    waves: Path, tmp_path: Path
) -> None:
    recipe = Recipe(noise=0.5, push_forward=0.5)
    request = request_of(waves, tmp_path / "on", recipe=recipe)
    found = compare(request, NOBODY)
    assert found.plan["policy"] == policy_of(recipe)
    assert compare(request, replace(NOBODY, runs=fail)).runs == found.runs
    plain = compare(request_of(waves, tmp_path / "off"), NOBODY)
    errors = [
        {run.spec.label: run.metrics["one_step"] for run in one.runs} for one in (found, plain)
    ]
    assert errors[0]["tiny"] != errors[1]["tiny"]
    assert errors[0]["persistence"] == errors[1]["persistence"]
    with pytest.raises(ConfigError, match=r"policy: push_forward 0.5 there, 0.2 now"):
        compare(replace(request, recipe=Recipe(noise=0.5, push_forward=0.2)), NOBODY)


@pytest.mark.usefixtures("tiny_operators")
def test_cycle_shifts_change_roll_outs_and_not_the_training(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = {"size": 16, "trajectories": 3, "test_trajectories": 1, "frames": 5, "oversample": 1}
    make_dataset(DataRequest(out=data, boundary="periodic", **made))  # type: ignore[arg-type]
    shifted, plain = (
        compare(request_of(data, tmp_path / str(cell), recipe=Recipe(cycle_shift=cell)), NOBODY)
        for cell in (4, 0)
    )
    for one, other in zip(shifted.runs, plain.runs, strict=True):
        assert one.spec == other.spec
        assert one.metrics["one_step"] == other.metrics["one_step"]
        rolled, plainly = one.metrics["rollout"], other.metrics["rollout"]
        # the first step has no offset; zeros around the edge do not commute with shifts
        assert rolled[0] == plainly[0]
        assert (rolled == plainly) == (one.spec.label == "persistence")


def test_the_options_of_the_command_line_are_the_recipe(tmp_path: Path) -> None:
    text: dict[str, Any] = {"operators": "tiny", "budget": "steps=4", "match": "native"}
    found = compare_request(
        **text, data="acoustics", out=tmp_path, noise=0.5, push_forward=0.1, cycle_shift=4
    )
    assert found.recipe == Recipe(noise=0.5, push_forward=0.1, cycle_shift=4)
    assert compare_request(**text, data="acoustics", out=tmp_path).recipe == PLAIN


@pytest.mark.usefixtures("tiny_operators")
def test_the_command_takes_the_options(
    waves: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_report(folder: Path) -> None:
        raise HostError("figures need matplotlib")

    monkeypatch.setattr(report, "write_report", no_report)
    start = ["compare", "--data", str(waves), "--operators", "persistence", "--match", "native"]
    options = ["--noise", "0.5", "--push-forward", "0.1", "--out", str(tmp_path / "on"), "--json"]
    assert main([*start, *options]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["policy"]["push_forward"] == 0.1
    assert main([*start, "--cycle-shift", "4", "--out", str(tmp_path / "shift")]) == 1
    assert "a cycle shift rolls periodic axes" in capsys.readouterr().err
    assert not list((tmp_path / "shift" / "runs").glob("*.json"))
