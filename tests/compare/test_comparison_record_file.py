"""The JSON record: complete, plain, and whole or not there."""

import json
from pathlib import Path

import pytest
import torch

from wavelit_plugin.compare.results import hardware, versions, write_results
from wavelit_plugin.compare.store import RunRecord, RunSpec


@pytest.mark.parametrize("error", [0.5, None])
def test_the_record_reads_back_as_what_was_measured(tmp_path: Path, error: float | None) -> None:
    run = RunRecord(
        spec=RunSpec(label="A", learning_rate=0.1),
        metrics={"one_step": error, "rollout": (error,) * 10},
        costs={"parameters": 3, "training_seconds": 1.5},
        curve=((1, 0.7, 0.5), (2, 1.4, 0.25)),
    )
    write_results(tmp_path / "r.json", {"seed": 7}, [run])
    held = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert held["seed"] == 7
    (row,) = held["results"]
    assert (row["operator"], row["parameters"], row["seconds"]) == ("A", 3, 1.5)
    assert row["one_step_vrmse"] == error
    assert row["rollout_vrmse"] == {"1-5": error, "6-10": error}
    assert row["training_loss_by_epoch"] == [0.5, 0.25]
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_the_record_names_what_computed() -> None:
    assert versions()["torch"] == str(torch.__version__)
    assert hardware("cpu")["threads"] == torch.get_num_threads()
    assert hardware("cpu")["cpu"]
