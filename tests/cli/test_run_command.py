"""``wavelit run``: the script sees what it would see under python, and more is registered."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

SEES = """
import json, os, sys
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "name": __name__, "file": __file__,
    "main": sys.modules["__main__"].__file__,
    "criterion": os.environ.get("WAVELIT_CRITERION"),
}))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    path = folder / "train.py"
    path.write_text(SEES, encoding="utf-8")
    return path


def seen(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_script_sees_what_it_sees_under_python(
    wavelit: Run, script: Path, tmp_path: Path
) -> None:
    arguments = ["scripts/train.py", "--model.model_arch", "waveliT", "-v"]
    plain = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    here, there = seen(wavelit("run", *arguments)), seen(plain)
    # python makes the path absolute, runpy keeps it as given
    for found in (here, there):
        found["file"] = str((tmp_path / str(found["file"])).resolve())
        found["main"] = str((tmp_path / str(found["main"])).resolve())
    assert here == there


def test_a_link_to_a_script_finds_the_neighbours_of_the_script(
    wavelit: Run, script: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.py").symlink_to(script)
    assert seen(wavelit("run", "link.py"))["path"] == str(script.parent)


@pytest.mark.parametrize("option", ["--help", "--criterion", "--version"])
def test_options_after_the_script_are_the_scripts_own(
    wavelit: Run, script: Path, option: str
) -> None:
    assert seen(wavelit("run", str(script), option))["argv"] == [str(script), option]


def test_a_double_dash_ends_our_options_and_only_ours(wavelit: Run, script: Path) -> None:
    done = wavelit("run", "--", str(script), "--", "-x")
    assert seen(done)["argv"] == [str(script), "--", "-x"]


def test_the_criterion_reaches_the_script_and_its_children(wavelit: Run, script: Path) -> None:
    assert seen(wavelit("run", "--criterion", "wavelet", str(script)))["criterion"] == "wavelet"
    assert seen(wavelit("run", str(script)))["criterion"] == os.environ.get("WAVELIT_CRITERION")


def test_an_unknown_criterion_is_one_line_with_the_nearest_name(wavelit: Run, script: Path) -> None:
    done = wavelit("run", "--criterion", "wavlet", str(script))
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean 'wavelet'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("code", "expected"), [("sys.exit(7)", 7), ("sys.exit('no')", 1), ("sys.exit()", 0)]
)
def test_the_exit_code_is_the_scripts(
    wavelit: Run, script: Path, code: str, expected: int
) -> None:
    script.write_text(f"import sys; {code}", encoding="utf-8")
    assert wavelit("run", str(script)).returncode == expected


@pytest.mark.parametrize(
    "error", ["ValueError", "EOFError", "OSError", "wavelit_plugin.errors.ConfigError"]
)
def test_an_error_in_the_script_keeps_its_traceback(
    wavelit: Run, script: Path, error: str
) -> None:
    """Also errors that the command line would make one line of, had they been its own."""
    script.write_text(f"import wavelit_plugin.errors\n\nraise {error}('mine')\n", encoding="utf-8")
    done = wavelit("run", str(script))
    assert done.returncode == 1
    assert f'File "{script}", line 3' in done.stderr
    assert done.stderr.splitlines()[-1] == f"{error}: mine"


def test_a_scripts_own_error_line_is_not_ours(wavelit: Run, script: Path) -> None:
    script.write_text("import sys; sys.exit('script: error: bad')", encoding="utf-8")
    assert wavelit("run", str(script)).stderr == "script: error: bad\n"
