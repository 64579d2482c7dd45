"""Data, a comparison with all its options, an evaluation and a roll-out, on a GPU."""

import csv
import json
import math
import re
from pathlib import Path

import pytest

from wavelit_plugin.cli import main
from wavelit_plugin.compare.runs import load_comparison
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

pytestmark = pytest.mark.gpu

DEVICE = ("--device", "cuda")
SMALL = (
    "--size", "16", "--trajectories", "6", "--test-trajectories", "2", "--frames", "6",
)  # fmt: skip


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Acoustic waves in a periodic box, made on the device."""
    out = tmp_path_factory.mktemp("made") / "waves"
    given = ("--host", "neuraloperator", "--boundary", "periodic", "--out", str(out))
    assert main(["data", "make", "acoustics", *SMALL, *given, *DEVICE]) == 0
    return out


@pytest.mark.parametrize(
    "options", [(), ("--noise", "0.5", "--push-forward", "0.3", "--cycle-shift", "4")]
)
def test_a_comparison_trains_measures_and_rolls_out(
    options: tuple[str, ...], waves: Path, tmp_path: Path
) -> None:
    plan = ("--budget", "steps=12", "--seeds", "1", "--lr-grid", "1", "--match", "native")
    given = ("--operators", "waveliT,persistence,linear", "--data", str(waves))
    assert main(["compare", *given, *plan, *options, "--out", str(tmp_path), *DEVICE]) == 0
    runs = {run.spec.label: run for run in load_comparison(tmp_path).runs}
    assert set(runs) == {"waveliT", "persistence", "linear"}
    for run in runs.values():
        assert math.isfinite(run.metrics["validation"])
        assert not run.metrics["diverged"]
    assert runs["waveliT"].costs["steps"] == 12
    assert runs["waveliT"].costs["peak_bytes"] > 0


def test_a_budget_in_seconds_is_kept(waves: Path, tmp_path: Path) -> None:
    plan = ("--budget", "seconds=2", "--seeds", "1", "--lr-grid", "1", "--match", "native")
    given = ("--operators", "waveliT", "--data", str(waves), "--out", str(tmp_path))
    assert main(["compare", *given, *plan, *DEVICE]) == 0
    (run,) = load_comparison(tmp_path).runs
    assert run.costs["training_seconds"] >= 2.0
    assert run.costs["steps"] > 10


def number(text: str) -> bool:
    """Say whether it is one."""
    return re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?|nan|-?inf", text) is not None


def test_an_evaluation_gives_the_errors_of_the_cpu(waves: Path, tmp_path: Path) -> None:
    layout = ChannelLayout(fields=3, constants=2)
    config = WaveLiTConfig(
        in_channels=5, out_channels=3, width=8, heads=1, depth=1, residual="on", layout=layout
    )
    WaveLiT(config).save(tmp_path / "model")
    tables = []
    for device in ("cuda", "cpu"):
        given = ("--data", str(waves), "--out", str(tmp_path / device), "--device", device)
        assert main(["evaluate", str(tmp_path / "model"), *given]) == 0
        with (tmp_path / device / "errors.csv").open() as file:
            tables.append(list(csv.reader(file)))
    for there, here in zip(*tables, strict=True):
        for got, want in zip(there, here, strict=True):
            # the model is untrained, so nothing grows in a roll-out
            expected = pytest.approx(float(want), rel=1e-2, abs=1e-6) if number(want) else want
            assert (float(got) if number(got) else got) == expected


def test_one_model_of_two_data_sets_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    wells = tmp_path / "wells"
    for problem in ("acoustics", "shallow-water"):
        given = ("--host", "the_well", "--out", str(wells))
        assert main(["data", "make", problem, *SMALL, *given, *DEVICE]) == 0
    plan = (
        "--steps", "4", "--fine-tune-steps", "2", "--width", "12", "--batch-size", "2",
        "--columns", "persistence,bespoke,joint,joint+tuned",
    )  # fmt: skip
    out = tmp_path / "out"
    assert main(["transfer", "--data", str(wells), *plan, "--out", str(out), *DEVICE]) == 0
    entries = json.loads((out / "transfer.json").read_text())["entries"]
    assert {entry["column"] for entry in entries} == {
        "persistence", "bespoke", "joint", "joint+tuned",
    }  # fmt: skip
    assert all(math.isfinite(entry["one_step"]["mean"]) for entry in entries)
