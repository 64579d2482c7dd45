"""``wavelit transfer`` at the command line: its text values, a kill, and what it writes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wavelit_plugin.cli import main, transfer
from wavelit_plugin.cli.data_make import make
from wavelit_plugin.compare import figure
from wavelit_plugin.compare.store import RUNS
from wavelit_plugin.compare.transfer import transfer as module
from wavelit_plugin.compare.transfer.request import COLUMNS, TransferRequest, transfer_request
from wavelit_plugin.compare.transfer.transfer import MODELS
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import JointWaveLiT
from wavelit_plugin.plugins import find_configs

CONFIGS = find_configs("the_well").folder

# a process that kills itself when it has kept the state of a training for the third time
DIES = """
import os, signal, sys
from wavelit_plugin.cli import main
from wavelit_plugin.compare import training

keep, kept = training._save, []

def keep_and_die(*state):
    keep(*state)
    kept.append(state)
    if len(kept) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

training._save = keep_and_die
sys.exit(main(sys.argv[1:]))
"""


def numbers(out: Path) -> dict[str, object]:
    """Everything in the records but times."""
    found = {path.name: json.loads(path.read_text()) for path in (out / RUNS).glob("*.json")}
    for record in found.values():
        del record["costs"]["training_seconds"]
        record["curve"] = [(step, loss) for step, _, loss in record["curve"]]
    return found


@pytest.fixture(scope="module")
def wells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets in The Well's format, of different fields, grids and boundaries."""
    pytest.importorskip("h5py")
    folder = tmp_path_factory.mktemp("wells")
    for problem, size, knobs in (("acoustics", 16, {"medium": "maze"}), ("shallow-water", 20, {})):
        make_dataset(
            DataRequest(
                problem=problem,
                host="the_well",
                out=folder,
                size=size,
                trajectories=3,
                test_trajectories=1,
                frames=4,
                oversample=1,
                **knobs,  # type: ignore[arg-type]
            )
        )
    return folder


def arguments(data: Path, out: Path) -> list[str]:
    values = {
        "data": data,
        "out": out,
        "steps": 2,
        "fine-tune-steps": 2,
        "width": 12,
        "batch-size": 2,
        "save-every": 1,
        "columns": "persistence,bespoke,joint,left-out",
    }
    return ["transfer", *(f"--{name}={value}" for name, value in values.items())]


def test_a_killed_command_goes_on_and_gives_the_same_numbers(
    wells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", DIES, *arguments(wells, tmp_path / "killed")],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert len(list((tmp_path / "killed" / RUNS).glob("*.state"))) == 1
    for name in ("killed", "whole"):
        assert main([*arguments(wells, tmp_path / name), "--json"]) == 0
    # the log of the progress is on standard error
    content, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
    assert {entry["column"] for entry in content["entries"]} == {
        "persistence", "bespoke", "joint", "left-out",
    }  # fmt: skip
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
    assert not list((tmp_path / "killed" / RUNS).glob("*.state"))
    model = JointWaveLiT.load(tmp_path / "killed" / MODELS / "joint-seed0.safetensors")
    assert set(model.members) == {"acoustic_scattering_maze", "planetswe"}
    grids = {name: model.member(name).normalizer.training_grid.tolist() for name in model.members}
    assert grids == {"acoustic_scattering_maze": [16, 16], "planetswe": [20, 20]}
    assert model.members["planetswe"].config.axes == ("periodic", "periodic")
    assert model.members["acoustic_scattering_maze"].constants == ("density", "speed")


def test_it_prints_the_table_and_says_what_it_wrote(
    wells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert main([*arguments(wells, out), "--columns=persistence,left-out", "--stream"]) == 0
    text = capsys.readouterr().out
    assert "one-step VRMSE: 2 steps a data set" in text
    assert "no left-out for acoustic_scattering_maze: no other data set has density, speed" in text
    for name in ("transfer.json", "transfer.csv", "transfer.png", "transfer.svg"):
        assert f"wrote {out / name}" in text
        assert (out / name).stat().st_size > 0


def test_bad_values_are_one_line_and_leave_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    for data, columns, message in (
        ("gone", "joined", "unknown column 'joined'; did you mean 'joint'?"),
        (str(tmp_path / "gone" / "far"), "joint", f"{tmp_path}/gone/far does not exist"),
    ):
        assert main(["transfer", "--data", data, "--out", out, "--columns", columns]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"wavelit: error: {message}")
        assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_lists_are_read_and_bad_numbers_refused(tmp_path: Path) -> None:
    texts: dict[str, Any] = {
        "data": "a, b/c,",
        "waves": "x,y",
        "flows": "",
        "columns": "",
        "weights": "x=2,y=0.5",
    }
    numbers: dict[str, Any] = {"out": tmp_path, "steps": 1, "fine_tune_steps": 1}
    found = transfer_request(**texts, **numbers)
    assert found.data == (Path("a"), Path("b/c"))
    assert found.waves == ("x", "y")
    assert found.columns == tuple(COLUMNS)
    assert found.weights == {"x": 2.0, "y": 0.5}
    for changed, message in (
        ({"weights": "x"}, "weights must be NAME=NUMBER"),
        ({"weights": "x=0"}, "the weight of x must be above 0"),
        ({"weights": "x=nan"}, "the weight of x must be above 0"),
        ({"data": ","}, "needs data"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"learning_rate": float("inf")}, "learning_rate must be above 0 and finite"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ):
        values = {**texts, **numbers, **changed}
        with pytest.raises(ConfigError, match=message):
            transfer_request(**values)


def commands_of(script: str, folder: Path, *arguments: str) -> list[list[str]]:
    """The commands that a shipped script runs, noted by a stand-in for ``wavelit``."""
    stand_in = folder / "bin" / "wavelit"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> noted\n')
    stand_in.chmod(0o755)
    path = f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["/bin/sh", str(CONFIGS / script), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
    )
    return [line.split() for line in (folder / "noted").read_text().splitlines()]


def asked_of(words: list[str]) -> TransferRequest:
    context = transfer.command.make_context("transfer", words[1:])
    values = dict(context.params)
    del values["as_json"]
    return transfer_request(**{**values, "device": "cpu"})


def test_the_small_script_makes_what_it_trains_on(tmp_path: Path) -> None:
    *made, last = commands_of("transfer.sh", tmp_path, "--seeds", "3")
    names = set()
    for words in made:
        values = dict(make.make_context("make", words[2:]).params)
        del values["as_json"]
        names.add(DataRequest(**values).layout_name())
    asked = asked_of(last)
    asked.check_names(names)
    assert len(names) == len(made) == 6
    assert asked.seeds == 3
    assert asked.wanted() == tuple(COLUMNS)


def test_the_script_of_the_eight_names_eight_and_leaves_none_out(tmp_path: Path) -> None:
    (words,) = commands_of("transfer_eight.sh", tmp_path, "/wells", "--device", "cuda")
    asked = asked_of(words)
    names = [path.name for path in asked.data]
    assert len(set(names)) == len(names) == 8
    asked.check_names(names)
    assert {path.parent for path in asked.data} == {Path("/wells")}
    assert asked.stream
    assert "left-out" not in asked.wanted()


def test_an_interrupt_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "transfer", interrupted)
    assert main(arguments(tmp_path, tmp_path / "out")) == 130
    assert "what is done is kept in" in capsys.readouterr().err


def test_two_processes_one_of_them_killed_train_what_one_does(
    wells: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both, alone = arguments(wells, tmp_path / "both"), arguments(wells, tmp_path / "alone")
    killed = subprocess.Popen([sys.executable, "-c", DIES, *both], stderr=subprocess.DEVNULL)
    assert main(both) == 0
    assert killed.wait(timeout=120) in {-9, 0}  # 0 where little was left for it
    assert main(alone) == 0
    assert numbers(tmp_path / "both") == numbers(tmp_path / "alone")
    matrices = [(tmp_path / name / "transfer.csv").read_text() for name in ("both", "alone")]
    assert matrices[0] == matrices[1]
    capsys.readouterr()


def test_without_matplotlib_the_numbers_are_there_and_the_remedy_is_named(
    wells: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(figure, "find_spec", lambda _: None)
    out = tmp_path / "out"
    assert main([*arguments(wells, out), "--columns=persistence"]) == 0
    printed = capsys.readouterr()
    assert "no picture: figures need matplotlib" in printed.err
    assert f"wrote {out / 'transfer.csv'}" in printed.out
    assert not (out / "transfer.png").exists()
