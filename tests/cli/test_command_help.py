"""The help: cheap to ask for, and the README shows what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from wavelit_plugin import __version__
from wavelit_plugin.cli.help_block import END, START, help_text, with_help
from wavelit_plugin.errors import DataError

README = Path(__file__).parents[2] / "README.md"
HELP_ONLY = """
import sys
from wavelit_plugin.cli import main
assert main(["--help"]) == 0
heavy = {"torch", "numpy", "rich", "matplotlib", "pluggy"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP_ONLY], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from wavelit_plugin.cli import main

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wavelit-plugin, version {__version__}\n"


def test_the_readme_shows_the_help_of_this_version() -> None:
    """If not: python -m wavelit_plugin.cli.help_block README.md."""
    text = README.read_text(encoding="utf-8")
    assert with_help(text) == text


def test_the_help_replaces_what_is_between_the_markers_only() -> None:
    text = with_help(f"before\n{START}\nold\n{END}\nafter\n")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert help_text() in text


@pytest.mark.parametrize("text", ["nothing", START, f"{END} {START}"])
def test_a_missing_marker_is_an_error(text: str) -> None:
    with pytest.raises(DataError, match="lacks"):
        with_help(text)
