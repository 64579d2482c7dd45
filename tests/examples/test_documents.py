"""The documents show what the files hold, and name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "adding-a-host.md").read_text(encoding="utf-8")
TUNING = (ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8")
DOCUMENTS = [
    *("architecture.md", "hosts.md", "adding-a-host.md", "joint.md", "stability.md"),
    "fine-tuning.md",
]

FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PATH = re.compile(r"`([\w./-]+/[\w.-]*)`")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}


def shown(document: str) -> list[tuple[str, str]]:
    """Return the blocks of a document, each with the file that is named last before it."""
    found = []
    for block in FENCE.finditer(document):
        named = re.findall(r"`(examples/[\w./-]+\.\w+)`", document[: block.start()])
        found.append((named[-1], block[1]))
    return found


@pytest.mark.parametrize(("name", "block"), [*shown(GUIDE), *shown(TUNING)])
def test_a_block_is_literally_a_part_of_the_file_that_it_is_said_to_be(
    name: str, block: str
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert block.strip()
    # whole lines: what stands before the block ends a line
    assert f"\n{block}" in f"\n{text}"


def test_the_guide_shows_all_that_an_adapter_consists_of() -> None:
    names = {Path(name).name for name, _ in shown(GUIDE)}
    assert {
        "README.md",
        "registry.py",
        "pyproject.toml",
        "adapter.py",
        "__init__.py",
        "models.py",
        "demo.py",
        "operators.py",
    } == (names)
    assert GUIDE.count("```") == 2 * len(shown(GUIDE))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_folders_that_are_named_exist(document: str) -> None:
    text = FENCE.sub("", (ROOT / "docs" / document).read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!http)([^)#]+\.md)\)", text)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    # capitals stand for a name, other folders are the hosts' or of the package
    named = [path for path in PATH.findall(text) if not re.search(r"[A-Z]{4}(?!ME)", path)]
    ours = [path for path in named if path.partition("/")[0] in FOLDERS and path[0] != "."]
    assert ours
    assert [path for path in ours if not (ROOT / path).exists()] == []


# names that are the hosts', Python's or PyTorch's own
THEIRS = {"DistributedDataParallel", "PYTHONPATH", "best_model", "save_best"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_names_of_code_are_in_the_code(document: str) -> None:
    text = FENCE.sub("", (ROOT / "docs" / document).read_text(encoding="utf-8"))
    folders = ("wavelit_plugin", "examples", "integration_tests")
    sources = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    named = re.findall(r"`(_?[A-Z]+(?:_[A-Z]+)*|[A-Z]\w*[A-Z]\w*|[a-z]+_[a-z_]+)(?:\(\))?`", text)
    assert named
    known = set(re.findall(r"\w+", code)) | FOLDERS | THEIRS
    assert sorted(set(named) - known - {"CELL", "NAME"}) == []
