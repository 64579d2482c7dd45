"""``wavelit report``: what it says and what it refuses."""

import json
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("matplotlib")

from wavelit_plugin.cli import main
from wavelit_plugin.compare import figure
from wavelit_plugin.compare.report import write

HERE = Path(__file__).parent
MADE = SimpleNamespace(
    **runpy.run_path(str(HERE.parent / "compare" / "made_up_comparison.py")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two operators, one seed; names that a page must escape; nothing but numbers."""
    made = [replace(MADE.WAVELIT, rates=(2e-3,), best=0, flops=None, peak_bytes=None)]
    made.append(replace(MADE.FNO, label="<b>other</b>&", rates=(2e-3,), best=0))
    runs = [run for one in made for run in MADE.runs_of(one, seeds=1, steps=3)]
    found: Path = MADE.write_comparison(tmp_path, runs, seeds=1)
    return found


def test_it_prints_the_result_and_where_the_page_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder)]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("waveliT has the lowest one-step error")
    assert last.startswith(f"wrote {folder / 'report.html'} and ")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>other" not in page
    assert "&lt;b&gt;other&lt;" in page


def test_json_names_the_files_that_are_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder), "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["headline"].startswith("waveliT")
    assert any("one seed" in remark for remark in held["remarks"])
    paths = [held["page"], held["table"], held["record"], *held["figures"]]
    assert all(Path(path).is_file() for path in paths)


def test_a_folder_without_a_comparison_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "holds no comparison" in line


@pytest.mark.parametrize(
    ("name", "folder_there", "told"),
    [
        ("figures", False, "there is a file where a folder is wanted"),
        ("report.html", True, "there is a folder where a file is wanted"),
    ],
)
def test_what_is_in_the_way_is_named_in_one_line(
    folder: Path, name: str, *, folder_there: bool, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / name
    path.mkdir() if folder_there else path.touch()
    assert main(["report", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"wavelit: error: cannot use {path}: ")
    assert told in line


def test_a_comparison_without_a_finished_run_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder / "runs").glob("*.json"):
        path.unlink()
    assert main(["report", str(folder)]) == 1
    assert "no finished run" in capsys.readouterr().err
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_the_extra(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
) -> None:
    for module in (figure, write):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else object())
    assert main(["report", str(folder)]) == 1
    told = capsys.readouterr().err
    assert package in told
    assert "install wavelit-plugin[report]" in told
