"""The JSON record: complete, plain, and whole or not there."""

import json
from pathlib import Path

import pytest
import torch

from wavelit_plugin.compare.records import Errors, Result
from wavelit_plugin.compare.results import hardware, versions, write_results


def result(error: float) -> Result:
    return Result(
        operator="A",
        errors=Errors(one_step=error, rollout=(error,) * 10),
        prediction=torch.zeros(1, 10, 1, 4, 4),
        parameters=3,
        seconds=1.5,
        losses=(0.5, 0.25),
    )


def test_the_record_reads_back_as_what_was_measured(tmp_path: Path) -> None:
    write_results(tmp_path / "r.json", {"seed": 7}, [result(0.5)])
    held = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert held["seed"] == 7
    assert held["results"][0]["rollout_vrmse"] == {"1-5": 0.5, "6-10": 0.5}
    assert held["results"][0]["training_loss_by_epoch"] == [0.5, 0.25]
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("error", [float("nan"), float("inf")])
def test_an_error_that_overflowed_is_null_since_json_has_no_infinity(
    tmp_path: Path, error: float
) -> None:
    write_results(tmp_path / "r.json", {}, [result(error)])
    assert json.loads((tmp_path / "r.json").read_text())["results"][0]["one_step_vrmse"] is None


def test_the_record_names_what_computed() -> None:
    assert versions()["torch"] == str(torch.__version__)
    assert hardware("cpu")["threads"] == torch.get_num_threads()
    assert hardware("cpu")["cpu"]
