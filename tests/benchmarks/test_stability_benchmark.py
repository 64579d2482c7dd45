"""The benchmark of long roll-outs: what it measures, and that it goes on where it was."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from benchmarks import stability
from benchmarks.stability_rows import WINDOWS, measured, rows, window

QUICK = ("--quick", "--operators", "waveliT", "--recipes", "plain,both")


def test_errors_are_by_step_and_the_size_is_of_the_field_that_grew_most() -> None:
    truth = torch.randn(3, 4, 2, 8, 8)
    truth[:, :, 1] *= 100
    growth = torch.tensor([1.0, 2.0, 3.0, 4.0])
    predicted = truth.clone()
    predicted[:, :, 0] *= growth.view(1, 4, 1, 1)
    found = measured(predicted, truth)
    own = truth[:, :, 0]
    # the definition, written out: rms of the error over the unbiased deviation, mean of two fields
    rms = ((growth - 1).view(1, 4, 1, 1) * own).square().mean(dim=(2, 3)).sqrt()
    expected = (rms / (own.var(dim=(2, 3)) + 1e-7).sqrt() / 2).mean(dim=0)
    assert_close(torch.tensor(found["vrmse_by_step"]), expected)
    ratio = predicted[:, :, 0].abs().max() / own.abs().max()
    assert found["largest_over_truth_ratio"] == pytest.approx(float(ratio))
    assert found["finite"]


def test_what_is_not_finite_is_none_from_there_on() -> None:
    truth = torch.randn(1, 3, 1, 8)
    predicted = truth.clone()
    predicted[:, 1:] = torch.inf
    found = measured(predicted, truth)
    assert found["vrmse_by_step"] == [pytest.approx(0.0), None, None]
    assert found["largest_over_truth_ratio"] is None
    assert not found["finite"]


def test_windows_that_a_roll_out_does_not_reach_are_none() -> None:
    assert window([1.0, 2.0, 3.0], 2, 3) == 2.5
    assert window([1.0, 2.0, 3.0], 2, 4) is None
    assert window([1.0, None, 3.0], 1, 3) is None


def entry(seed: int, error: float | None) -> dict[str, Any]:
    rollout: dict[str, Any] = {
        "vrmse_by_step": [*[0.1] * 99, error],
        "largest_over_truth_ratio": None if error is None else error,
        "finite": error is not None,
    }
    return {
        "operator": "FNO",
        "recipe": "plain",
        "learning_rate": 0.01,
        "seed": seed,
        "parameters_count": 7,
        "training_seconds": 1.0 + seed,
        "vrmse_one_step": 0.1,
        "rollouts": {"as it is": rollout},
    }


def test_a_row_is_of_all_seeds_and_none_where_one_blew_up() -> None:
    (found,) = rows([entry(0, 0.5), entry(1, 1.5), entry(2, 1.0)])
    assert (found["seeds_count"], found["finite_count"], found["training_seconds"]) == (3, 3, 2.0)
    assert found["vrmse_last_step"] == pytest.approx(1.0)
    assert found["largest_over_truth_ratio"] == 1.5
    assert found["vrmse_steps_61_100"] == pytest.approx((39 * 0.1 + 1.0) / 40)
    (found,) = rows([entry(0, 0.5), entry(1, None)])
    assert found["finite_count"] == 1
    assert found["vrmse_steps_61_100"] is found["largest_over_truth_ratio"] is None
    assert found["vrmse_steps_1_10"] == pytest.approx(0.1)


def runs_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "runs").glob("*.json")}


def called(monkeypatch: pytest.MonkeyPatch, out: Path, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["stability", *arguments, "--out", str(out)])
    assert stability.main() == 0


def test_a_try_at_tiny_size_measures_all_and_a_second_does_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published: list[dict[str, Any]] = []

    def publish(name: str, device: str, **content: Any) -> Path:
        published.append({"name": name, "device": device, **content})
        return tmp_path / "results.json"

    monkeypatch.setattr(stability, "write_results", publish)
    called(monkeypatch, tmp_path, "periodic", *QUICK, "--publish")
    kept = runs_of(tmp_path)
    assert len(kept) == 2
    (content,) = published
    assert content["name"] == "stability-periodic"
    assert content["settings"]["steps"] == 4
    kinds = [(record["recipe"], record["rollout"]) for record in content["records"]]
    assert kinds == [(r, k) for r in ("plain", "both") for k in ("as it is", "cycle shift")]
    for record in content["records"]:
        assert record["finite_count"] == record["seeds_count"] == 1
        assert record["vrmse_steps_1_10"] is not None
        assert record["vrmse_steps_61_100"] is None
    capsys.readouterr()
    called(monkeypatch, tmp_path, "periodic", *QUICK)
    assert runs_of(tmp_path) == kept
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_walls_are_rolled_out_without_shifts_and_runs_of_other_settings_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ("wall", *QUICK[:3], "--recipes", "plain")
    called(monkeypatch, tmp_path, *one)
    called(monkeypatch, tmp_path, *one, "--batch-size", "4")
    found = [json.loads(content) for content in runs_of(tmp_path).values()]
    assert [list(run["metrics"]["rollouts"]) for run in found] == [["as it is"]] * 2
    assert len({run["settings"] for run in found}) == 2
    # one run and one row each
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_last_window_ends_with_the_roll_out_that_is_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["stability", "wall", "--out", str(tmp_path)])
    assert stability.options().frames - 1 == WINDOWS[-1][1] == 100
