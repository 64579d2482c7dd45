"""The demonstration from end to end, tiny; and what it refuses before it computes anything."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("neuralop", reason="neuraloperator is not installed")
pytest.importorskip("matplotlib")

from wavelit_plugin.cli import main
from wavelit_plugin.compare import demo as module
from wavelit_plugin.compare.demo import (
    OPERATORS,
    DemoReport,
    DemoRequest,
    check_host,
    demo_request,
    run_demo,
)
from wavelit_plugin.compare.records import Budget, Operator
from wavelit_plugin.errors import ConfigError, HostError
from wavelit_plugin.hosts import neuraloperator

pytestmark = pytest.mark.host

TINY = (
    Operator(
        name="small WaveLiT",
        arch="waveliT",
        learning_rate=4e-3,
        options={"width": 16, "depth": 1, "heads": 1},
    ),
    Operator(
        name="small FNO",
        arch="fno",
        learning_rate=1e-2,
        options={"n_modes": [4, 4], "hidden_channels": 8, "n_layers": 1},
    ),
)


def request_into(out: Path, **changes: Any) -> DemoRequest:
    sizes = {"size": 16, "trajectories": 2, "budget": Budget(steps=4, epoch_steps=2, batch_size=2)}
    return DemoRequest(**{"out": out, "operators": TINY, **sizes, **changes})


class Without:
    """A finder to which one package is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def silent(done: int, total: int, what: str, note: str) -> None:
    del done, total, what, note


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoReport, DemoRequest]:
    request = request_into(tmp_path_factory.mktemp("demo") / "out")
    return run_demo(request, silent, command=("wavelit", "demo")), request


def test_every_operator_and_persistence_have_a_row(done: tuple[DemoReport, DemoRequest]) -> None:
    report, _ = done
    names = [run.spec.label for run in report.results]
    assert names == ["small WaveLiT", "small FNO", "persistence"]
    assert all(len(run.metrics["rollout"]) == 20 for run in report.results)
    assert [[step for step, _, _ in run.curve] for run in report.results] == [[2, 4], [2, 4], []]


def test_the_folder_holds_data_runs_record_and_picture_only(
    done: tuple[DemoReport, DemoRequest],
) -> None:
    _, request = done
    assert {path.name for path in request.out.iterdir()} == {
        "data", "plan.json", "results.json", "rollout.png", "runs", "samples",
    }  # fmt: skip


def test_the_record_says_how_to_repeat_it(done: tuple[DemoReport, DemoRequest]) -> None:
    report, request = done
    held = json.loads(report.record.read_text(encoding="utf-8"))
    assert held["command"] == "wavelit demo"
    assert held["budget"]["seed"] == request.budget.seed
    assert held["data"] == request.data().parameters()
    assert held["versions"]["neuraloperator"]
    assert held["hardware"]["cpu"]
    assert [o["arch"] for o in held["operators"]] == ["waveliT", "fno"]


def test_the_same_request_gives_the_same_numbers_and_makes_no_data_again(
    done: tuple[DemoReport, DemoRequest],
) -> None:
    report, request = done
    before = {path: path.stat().st_mtime_ns for path in (request.out / "data").iterdir()}
    told: list[str] = []
    torch.manual_seed(99)  # whatever was drawn before must not matter
    again = run_demo(replace(request, overwrite=True), lambda *facts: told.append(str(facts[2])))
    assert [run.metrics for run in again.results] == [run.metrics for run in report.results]
    assert {path: path.stat().st_mtime_ns for path in (request.out / "data").iterdir()} == before
    assert set(told) == {"training small WaveLiT", "training small FNO"}


def test_a_stopped_demonstration_goes_on_with_what_is_missing(
    done: tuple[DemoReport, DemoRequest], tmp_path: Path
) -> None:
    report, request = done
    request = replace(request, out=tmp_path)

    def stop(_done: int, _total: int, what: str, _note: str) -> None:
        if what == "training small FNO":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_demo(request, stop)
    told: list[str] = []
    again = run_demo(request, lambda *facts: told.append(str(facts[2])))
    assert set(told) == {"training small FNO"}
    assert [run.metrics for run in again.results] == [run.metrics for run in report.results]


def test_results_of_an_earlier_run_are_not_replaced(
    done: tuple[DemoReport, DemoRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    report, request = done
    before = report.record.read_bytes()
    assert main(["demo", "--out", str(request.out), "--quick"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "already holds results.json and rollout.png of an earlier run" in line
    assert report.record.read_bytes() == before


def test_without_matplotlib_nothing_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise HostError("figures need matplotlib")

    monkeypatch.setattr(module, "check_figure", missing)
    with pytest.raises(HostError, match="matplotlib"):
        run_demo(request_into(tmp_path / "out"), silent)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["neuralop", "zencfg"])
def test_a_missing_host_is_named_with_the_extra_before_anything_is_computed(
    tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Without(package), *sys.meta_path])
    # there only if an earlier test of this process trained
    monkeypatch.delitem(sys.modules, "wavelit_plugin.hosts.neuraloperator.training", raising=False)
    monkeypatch.delattr(neuraloperator, "training", raising=False)
    with pytest.raises(
        HostError, match=rf"{package} is not installed; install wavelit-plugin\[neuralop"
    ):
        run_demo(request_into(tmp_path / "out"), silent)
    assert not (tmp_path / "out").exists()


def test_an_operator_that_the_host_does_not_know_is_named_before_anything_is_computed(
    tmp_path: Path,
) -> None:
    unknown = Operator(name="x", arch="wavenothing", learning_rate=1e-3)
    with pytest.raises(HostError, match="does not know the model 'wavenothing'"):
        run_demo(request_into(tmp_path / "out", operators=(unknown,)), silent)
    assert not (tmp_path / "out").exists()


def test_the_operators_of_the_demonstration_are_known() -> None:
    check_host(OPERATORS)


def test_quick_is_smaller_and_keeps_the_seed(tmp_path: Path) -> None:
    quick = demo_request(quick=True, steps=400, seed=3, out=tmp_path)
    full = demo_request(quick=False, steps=400, seed=3, out=tmp_path)
    assert quick.budget.seed == full.budget.seed == 3
    assert quick.budget.steps < full.budget.steps
    assert quick.size < full.size


def test_bad_sizes_are_refused_when_the_request_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="size must be even"):
        request_into(tmp_path, size=31)


@pytest.mark.slow
def test_the_quick_command_prints_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "out"), "--quick", "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert Path(found["figure"]).is_file()
    assert [row["operator"] for row in found["results"]] == ["WaveLiT", "FNO", "persistence"]
    assert "training WaveLiT: 10/10" in printed.err
