"""The README and the page of the commands: what they show runs, and what they name is there."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelit_plugin.cli.group import wavelit

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", TEXT + COMMANDS, flags=re.DOTALL | re.MULTILINE
    )


def test_the_readme_can_be_read_in_two_minutes() -> None:
    assert TEXT.count("\n") <= 150


@pytest.mark.parametrize("block", blocks("pycon"))
def test_the_examples_in_python_give_what_they_show(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    import torch

    parsed = doctest.DocTestParser().get_doctest(block, {"torch": torch}, "README", None, 0)
    assert parsed.examples
    assert doctest.DocTestRunner().run(parsed).failed == 0


def shell_commands() -> list[str]:
    lines = [
        line.partition("  #")[0].strip() for text in blocks("sh") for line in text.splitlines()
    ]
    return [line for line in lines if line.startswith("wavelit ")]


@pytest.mark.parametrize("line", shell_commands())
def test_the_commands_exist_with_their_options(line: str) -> None:
    """``--help`` in the place of the first argument: the options before it must be known."""
    words = line.split()[1:]
    depth = 2 if words[0] == "data" else 1
    help_text = CliRunner().invoke(wavelit, [*words[:depth], "--help"]).output
    script = next((i for i, word in enumerate(words) if word.endswith(".py")), len(words))
    own = words[depth:script]  # what follows a script is the script's own
    for option in (word for word in own if word.startswith("--")):
        assert re.search(rf"{option}\b", help_text), f"{option} of {line!r}"


def test_the_make_targets_exist() -> None:
    targets = re.findall(
        r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    for named in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert named in targets


def test_the_files_that_it_links_to_exist() -> None:
    for folder, text in ((ROOT, TEXT), (ROOT / "docs", COMMANDS)):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (folder / target).exists(), target
