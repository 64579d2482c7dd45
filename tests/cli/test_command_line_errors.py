"""Every error on the command line: one line, the exit code, nothing written."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from wavelit_plugin.cli import main
from wavelit_plugin.cli.group import COMMANDS, LazyGroup
from wavelit_plugin.cli.group import wavelit as group
from wavelit_plugin.errors import ConfigError

Run = Callable[..., subprocess.CompletedProcess[str]]
MAKE = ("data", "make", "acoustics", "--host", "neuraloperator", "--out", "out")
TINY = ("--size", "16", "--trajectories", "1", "--frames", "3", "--oversample", "1")


def only_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("config", "neuralopertor"), "did you mean 'neuraloperator'?"),
        (("config", "neuraloperator", "--model", "wavelit-1m"), "did you mean 'waveliT-1M'?"),
        (("run", "missing.py"), "the script 'missing.py' does not exist"),
        (("run", "."), "the script '.' is a folder"),
        (("data", "make", "acoustic", *MAKE[3:]), "did you mean 'acoustics'?"),
        ((*MAKE[:4], "neuralop", *MAKE[5:]), "did you mean 'neuraloperator'?"),
        ((*MAKE, "--boundary", "periodc"), "did you mean 'periodic'?"),
        ((*MAKE, "--medium", "vacuum"), "unknown medium 'vacuum'"),
        ((*MAKE, "--size", "31"), "size must be even, got 31"),
        ((*MAKE, "--trajectories", "0"), "trajectories must be an integer of at least 1"),
        ((*MAKE, "--device", "gpu"), "device 'gpu' cannot be used"),
        (("demo", "--steps", "7"), "steps must be a multiple of 20"),
        (("demo", "--device", "gpu"), "device 'gpu' cannot be used"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert only_line(printed.err).startswith("wavelit: error: ")
    assert message in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("list", "nonsense"),
        ("data", "make", "acoustics"),
        ("demo", "--steps", "many"),
        ("run",),
        ("run", "--unknown", "x.py"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("Usage: wavelit")


def test_in_a_process_of_its_own_the_code_and_the_line_are_the_same(wavelit: Run) -> None:
    done = wavelit("run", "missing.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert only_line(done.stderr).startswith("wavelit: error: the script 'missing.py'")
    assert wavelit("run").returncode == 2


def test_data_of_another_request_in_the_folder_is_not_replaced(wavelit: Run) -> None:
    assert wavelit(*MAKE, *TINY).returncode == 0
    done = wavelit(*MAKE, *TINY, "--seed", "1")
    assert done.returncode == 1
    assert "already holds acoustics_train_16.pt" in only_line(done.stderr)


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    out = str(tmp_path / "file" / "data")
    assert main([*MAKE[:-1], out, *TINY]) == 1
    assert "Not a directory" in only_line(capsys.readouterr().err)


class TestGroup:
    """What becomes of exceptions that are not click's."""

    @staticmethod
    def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(LazyGroup, "get_command", lambda *_: command)

    def test_an_error_of_several_lines_becomes_one(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.raising(ConfigError("first\n  second"), monkeypatch)
        assert main(["doctor"]) == 1
        assert capsys.readouterr().err == "wavelit: error: first second\n"

    def test_an_error_of_the_file_system_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.raising(PermissionError(13, "Permission denied", "out"), monkeypatch)
        assert main(["doctor"]) == 1
        line = only_line(capsys.readouterr().err)
        assert line.startswith("wavelit: error: cannot use out: Permission denied; use a place")

    def test_ctrl_c_is_one_line_and_exit_code_130(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.raising(KeyboardInterrupt(), monkeypatch)
        assert main(["doctor"]) == 130
        assert capsys.readouterr().err.split("\n") == ["", "wavelit: interrupted", ""]

    @pytest.mark.parametrize(
        "error",
        [
            MemoryError(),
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes\nat"),
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ],
    )
    def test_too_little_memory_is_one_line(
        self,
        error: Exception,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.raising(error, monkeypatch)
        assert main(["doctor"]) == 1
        line = only_line(capsys.readouterr().err)
        assert line.startswith("wavelit: error: there is not enough memory; ask for less")

    def test_a_fault_of_ours_keeps_its_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raising(ZeroDivisionError(), monkeypatch)
        with pytest.raises(ZeroDivisionError):
            main(["doctor"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(group, [name, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: wavelit {name}")
