"""``wavelit data make``: what it says it wrote is there and is what was asked for."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from wavelit_plugin.cli import main

ASKED = {
    "--size": "16",
    "--trajectories": "2",
    "--test-trajectories": "1",
    "--frames": "3",
    "--oversample": "1",
    "--boundary": "wall",
    "--medium": "maze",
    "--seed": "5",
}


def make(out: Path, *more: str) -> int:
    options = [word for pair in ASKED.items() for word in pair]
    command = ["data", "make", "acoustics", "--host", "neuraloperator", "--out", str(out)]
    return main([*command, *options, *more])


def test_the_options_reach_the_data_set(tmp_path: Path) -> None:
    assert make(tmp_path) == 0
    facts: dict[str, Any] = json.loads((tmp_path / "acoustics_16.json").read_text())["parameters"]
    asked = {name.lstrip("-").replace("-", "_"): value for name, value in ASKED.items()}
    assert {name: str(facts[name]) for name in asked} == asked


def test_what_it_says_it_wrote_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(tmp_path, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert sorted(said["files"]) == sorted(path.name for path in tmp_path.iterdir())
    held = torch.load(tmp_path / "acoustics_train_16.pt", weights_only=True)
    assert said["samples"]["train"] == len(held["x"]) == 4  # 2 trajectories of 2 steps
    assert said["folder"] == str(tmp_path)


def test_the_summary_is_for_people_and_progress_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("written\n")
    assert "2 train trajectories (4 samples)" in printed.out
    assert "simulating: 3/3" in printed.err


def test_a_change_from_frame_to_frame_is_told_of_what_evolves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path / "waves") == 0
    assert "change from frame to frame" in capsys.readouterr().out
    sizes = ["--size", "16", "--trajectories", "2", "--oversample", "1"]
    command = ["data", "make", "darcy", "--host", "neuraloperator", "--out", str(tmp_path / "flow")]
    assert main([*command, *sizes]) == 0
    said = capsys.readouterr().out
    assert "2 train trajectories (2 samples)" in said
    assert "frame to frame" not in said


def test_a_complete_data_set_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(tmp_path) == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert make(tmp_path) == 0
    assert capsys.readouterr().out.startswith("complete already, nothing was changed\n")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_overwrite_makes_it_anew(tmp_path: Path) -> None:
    assert make(tmp_path) == 0
    file = tmp_path / "acoustics_test_16.pt"
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    assert make(tmp_path) == 1
    assert make(tmp_path, "--overwrite") == 0
    assert file.read_bytes() == whole


@pytest.fixture
def plain_folder() -> Iterator[Path]:
    """A folder whose path has no split's name in it, as ``tmp_path`` has ("pytest")."""
    folder = Path(tempfile.mkdtemp(prefix="wavelit-"))
    yield folder
    shutil.rmtree(folder)


def make_for_pdearena(problem: str, out: Path, *more: str) -> int:
    sizes = ["--size", "16", "--trajectories", "1", "--frames", "14", "--oversample", "1"]
    command = ["data", "make", problem, "--host", "pdearena", "--out", str(out)]
    return main([*command, *sizes, *more])


@pytest.mark.parametrize("problem", ["kolmogorov", "acoustics"])
def test_pdearena_gets_three_splits_and_hears_what_is_left_out(
    problem: str, plain_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("h5py")
    assert make_for_pdearena(problem, plain_folder) == 0
    said = capsys.readouterr().out
    for split in ("train", "valid", "test"):
        assert f"1 {split} trajectories (13 samples)" in said
        assert (plain_folder / f"{problem}_{split}_16.h5").is_file()
    left_out = "not in these files, for want of a place: density, speed"
    assert (left_out in said) == (problem == "acoustics")


@pytest.mark.parametrize(
    ("problem", "folder", "more", "message"),
    [
        ("kolmogorov", "plain", ("--layout", "maxwell3d"), "holds two vectors of 3 components"),
        ("kolmogorov", "plain", ("--boundary", "wall"), "unknown boundary 'wall'"),
        ("kolmogorov", "latest", (), "use a folder whose whole path has none of them"),
        ("kolmogorow", "plain", (), "did you mean 'kolmogorov'"),
    ],
)
def test_what_pdearena_cannot_read_is_one_line(
    problem: str,
    folder: str,
    more: tuple[str, ...],
    message: str,
    plain_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("h5py")
    assert make_for_pdearena(problem, plain_folder / folder, *more) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list(plain_folder.iterdir())


class TestASecondProcess:
    """Two commands into one folder: one is told so; interrupting loses nothing that is finished."""

    LONG = (*("data", "make", "acoustics", "--host", "neuraloperator", "--size", "32"), "--json")
    COUNT = ("--trajectories", "400", "--out", "both")

    @pytest.fixture
    def first(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        """A command that has begun to simulate."""
        command = [sys.executable, "-m", "wavelit_plugin.cli", *self.LONG, *self.COUNT]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:  # type: ignore[call-overload]
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob("both/.wavelit-*/train_*.pt")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
            process.kill()

    def test_it_is_told_so_in_one_line(
        self, first: subprocess.Popen[str], wavelit: Callable[..., Any]
    ) -> None:
        second = wavelit(*self.LONG, *self.COUNT)
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr == (
            "wavelit: error: another process is writing to both; wait until it ends, or use "
            "another folder\n"
        )
        assert first.poll() is None

    def test_an_interruption_says_what_is_kept_and_the_same_command_goes_on(
        self, first: subprocess.Popen[str], tmp_path: Path, wavelit: Callable[..., Any]
    ) -> None:
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=60)
        assert first.returncode == 130
        assert errors.splitlines()[-1] == (
            "wavelit: interrupted; finished trajectories are kept in both, and the same command "
            "goes on from there"
        )
        # if what is finished were made again, nobody would notice that it is damaged
        next(tmp_path.glob("both/.wavelit-*/train_*.pt")).write_bytes(b"damaged")
        again = wavelit(*self.LONG, *self.COUNT)
        assert again.returncode == 1
        assert "is damaged" in again.stderr
