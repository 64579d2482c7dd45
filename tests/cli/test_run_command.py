"""``wavelit run``: the script sees what it would see under python, and more is registered."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wavelit_plugin import plugins
from wavelit_plugin.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]

SEES = """
import json, os, sys
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "name": __name__, "file": __file__,
    "main": sys.modules["__main__"].__file__,
    "criterion": os.environ.get("WAVELIT_CRITERION"),
}))
"""
WATCHES = """
from wavelit_plugin.autoload.watch import WATCH
print(WATCH.on, *(status.state for status in WATCH.report()))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    path = folder / "train.py"
    path.write_text(SEES, encoding="utf-8")
    return path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make it safe to run a script in this process; the list notes what was done before it."""
    done: list[str] = []
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("WAVELIT_CRITERION", "")
    monkeypatch.delenv("WAVELIT_CRITERION")
    monkeypatch.setattr(plugins, "activate", lambda: done.append("activate"))
    return done


@pytest.mark.usefixtures("here")
class TestArguments:
    """Which words are ours and which the script's."""

    @staticmethod
    def argv(*arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
        assert main(["run", *arguments]) == 0
        found: list[str] = json.loads(capsys.readouterr().out)["argv"]
        return found

    @pytest.mark.parametrize("option", ["--help", "--criterion", "--version", "-x"])
    def test_options_after_the_script_are_its_own(
        self, script: Path, option: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.argv(str(script), option, capsys=capsys) == [str(script), option]

    def test_a_double_dash_ends_our_options_and_only_ours(
        self, script: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = [str(script), "--", "-x"]
        assert self.argv("--", *words, capsys=capsys) == words


def test_a_link_to_a_script_finds_the_neighbours_of_the_script(
    script: Path, tmp_path: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link.py").symlink_to(script)
    assert main(["run", str(tmp_path / "link.py")]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(script.parent)


def test_a_relative_path_becomes_absolute_as_under_python(
    script: Path,
    here: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(script.parent)
    assert main(["run", script.name]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(script)


def test_registration_comes_before_the_script(
    script: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    script.write_text("raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(SystemExit, match="3"):
        main(["run", str(script)])
    assert here == ["activate"]


def test_an_unknown_criterion_is_one_line_with_the_nearest_name(
    script: Path, here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--criterion", "wavlet", str(script)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown criterion 'wavlet'; did you mean 'wavelet'?" in line
    assert here == []
    assert "WAVELIT_CRITERION" not in os.environ


def test_the_script_sees_what_it_sees_under_python_and_the_criterion(
    wavelit: Run, script: Path
) -> None:
    arguments = [str(script), "--model.model_arch", "waveliT", "-v"]
    python = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
    )
    ours = wavelit("run", "--criterion", "wavelet", *arguments)
    assert ours.returncode == 0, ours.stderr
    seen, expected = json.loads(ours.stdout), json.loads(python.stdout)
    assert seen == {**expected, "criterion": "wavelet"}


@pytest.mark.parametrize("switch", ["1", "0"])
def test_hosts_are_watched_even_where_autoload_is_switched_off(
    wavelit: Run, script: Path, switch: str
) -> None:
    script.write_text(WATCHES, encoding="utf-8")
    done = wavelit("run", str(script), TORCH_DEVICE_BACKEND_AUTOLOAD=switch)
    assert done.stdout.split()[:2] == ["True", "pending"], done.stderr


@pytest.mark.parametrize("error", ["EOFError", "wavelit_plugin.errors.ConfigError"])
def test_an_error_in_the_script_keeps_its_traceback(wavelit: Run, script: Path, error: str) -> None:
    """Also errors that the command line would make one line of, had they been its own."""
    script.write_text(f"import wavelit_plugin.errors\n\nraise {error}('mine')\n", encoding="utf-8")
    done = wavelit("run", str(script))
    assert done.returncode == 1
    assert f'File "{script}", line 3' in done.stderr
    assert done.stderr.splitlines()[-1] == f"{error}: mine"


def test_the_exit_code_and_the_last_words_are_the_scripts(wavelit: Run, script: Path) -> None:
    script.write_text(
        "import sys; print('script: bad', file=sys.stderr); sys.exit(7)", encoding="utf-8"
    )
    done = wavelit("run", str(script))
    assert (done.returncode, done.stderr) == (7, "script: bad\n")
