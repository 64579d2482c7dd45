"""The page: whole, alone, escaped, and with the numbers of the records."""

import csv
import json
import re
import runpy
import statistics
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("matplotlib")

from wavelit_plugin.compare.report import Report, write_report
from wavelit_plugin.compare.runs import load_comparison
from wavelit_plugin.compare.store import RunRecord

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_comparison.py"))))
FIGURES = {
    "ranking-one-step", "ranking-rollout", "frames-pressure", "errors-pressure",
    "frames-velocity--x-", "errors-velocity--x-", "rollout", "spectrum-energy", "spectrum-error",
    "one-step-parameters", "rollout-parameters", "one-step-training", "rollout-training",
    "one-step-inference", "rollout-inference", "training-loss", "rates",
}  # fmt: skip
T_OF_THREE = 4.302653
"""Student's t, 97.5 %, two degrees of freedom; any table has it."""
VOID = {"meta", "br", "wbr"}


class Outline(HTMLParser):
    """Tags that close, identifiers, and the text of table cells by table and operator."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.identifiers: list[str] = []
        self.figures: list[str] = []
        self.cells: dict[str, list[str]] = {}
        self.row = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        if "id" in held:
            self.identifiers.append(held["id"] or "")
        if tag == "figure":
            self.figures.append(held.get("id") or "")
        if tag == "th" and held.get("scope") == "row":
            self.row = ""
        if tag == "td" and self.row:
            self.cells.setdefault(self.row, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.identifiers += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside == "th" and "tbody" in self.open:
            self.row += data
        elif inside == "td" and self.row in self.cells:
            self.cells[self.row][-1] += data.strip()
        elif inside == "small" and self.row in self.cells:
            self.cells[self.row][-1] += f" {data}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found: Path = MADE.five_operators(tmp_path_factory.mktemp("comparison"))
    return found


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return write_report(folder)


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report.page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def at_best(folder: Path, label: str, rate: float) -> list[RunRecord]:
    runs = load_comparison(folder).runs
    return [run for run in runs if (run.spec.label, run.spec.learning_rate) == (label, rate)]


def test_every_figure_is_in_the_page_and_in_two_files(report: Report, outline: Outline) -> None:
    assert set(outline.figures) == FIGURES
    assert {path.name for path in report.figures} == {
        f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")
    }
    for path in report.figures:
        start = b"\x89PNG" if path.suffix == ".png" else b"<?xml"
        assert path.read_bytes().startswith(start)


def test_the_page_asks_for_nothing_and_runs_nothing(page: str) -> None:
    """No script, no link, no address but data and places of its own."""
    assert not re.search(r"https?:|<script|<link|<iframe|@import|\bon\w+=", page)
    targets = re.findall(r"(?:src|href)=\"([^\"]*)\"", page) + re.findall(r"url\(([^)]*)\)", page)
    assert {target[:1] if target[:1] == "#" else target[:5] for target in targets} <= {"#", "data:"}


def test_tags_close_and_identifiers_are_unique_and_found(page: str, outline: Outline) -> None:
    assert outline.open == []
    assert len(set(outline.identifiers)) == len(outline.identifiers)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", page))
    assert used
    assert used <= set(outline.identifiers)


def test_every_colour_exists_in_light_and_in_dark(page: str) -> None:
    style = page[page.index("<style>") : page.index("</style>")]
    blocks = re.findall(r":root \{([^}]*)\}", style)
    defined = [set(re.findall(r"(--[\w-]+):", block)) for block in blocks]
    light, dark, *grounds = defined
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= light.union(*grounds)
    assert light == dark
    drawn = page[page.index("<main>") :]
    assert not re.search(r"(?:fill|stroke): #(?!0{6})", drawn)  # nothing has a colour of its own


def test_the_page_is_small_and_readable_on_a_telephone(report: Report, page: str) -> None:
    assert report.page.stat().st_size < 2_000_000
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page


def test_names_are_escaped(page: str) -> None:
    assert "velocity &lt;x&gt;" in page
    assert "<x>" not in page


def test_the_table_shows_the_mean_and_interval_of_the_records(
    folder: Path, outline: Outline
) -> None:
    for label, rate in (("waveliT", 2e-3), ("FNO", 8e-3), ("pdearena/Unetmod-64", 2e-3)):
        errors = [run.metrics["one_step"] for run in at_best(folder, label, rate)]
        assert len(errors) == 3
        mean = sum(errors) / 3
        half = T_OF_THREE * statistics.stdev(errors) / 3**0.5
        shown, shown_half = outline.cells[label][0].split(" ± ")
        last = 10.0 ** -len(shown.partition(".")[2])  # rounded to the last digit
        assert float(shown) == pytest.approx(mean, rel=0, abs=0.51 * last)
        assert float(shown_half) == pytest.approx(half, rel=0, abs=0.51 * last)


def test_the_csv_and_the_record_have_every_digit(folder: Path, report: Report) -> None:
    lines = {
        line["label"]: line
        for line in csv.DictReader(report.table.read_text(encoding="utf-8").splitlines())
    }
    held = json.loads(report.record.read_text(encoding="utf-8"))
    rows = {row["label"]: row for row in held["rows"]}
    assert (
        list(lines) == list(rows) == ["waveliT", "pdearena/Unetmod-64", "FNO", "UNO", "persistence"]
    )
    for label, rate in (("waveliT", 2e-3), ("UNO", 2e-3)):
        runs = at_best(folder, label, rate)
        rolled = [sum(run.metrics["rollout"][:10]) / 10 for run in runs]
        mean = sum(rolled) / 3
        assert float(lines[label]["rollout 1-10"]) == pytest.approx(mean, rel=1e-12)
        assert rows[label]["rollout 1-10"] == pytest.approx(mean, rel=1e-12)
        assert int(lines[label]["parameters"]) == runs[0].costs["parameters"]
    assert held["plan"]["data"]["name"] == "acoustics"
    assert held["best"] == {"one-step": ["waveliT"], "rollout": ["waveliT"]}


def test_the_page_says_what_ran_where_and_how_to_do_it_again(page: str) -> None:
    for words in (
        "wavelit compare --data acoustics --out &#39;a folder&#39;",
        "A processor",
        "2.13.0",
    ):
        assert words in page


def test_the_rate_at_an_edge_and_the_rate_that_diverged_are_named(outline: Outline) -> None:
    assert any(cell.endswith("edge") for cell in outline.cells["FNO"])
    assert not any(cell.endswith("edge") for cell in outline.cells["waveliT"])
    assert "0.008: diverged" in outline.cells["UNO"]


def test_the_folder_holds_nothing_half_written(folder: Path, report: Report) -> None:
    assert report.page.is_file()
    assert not list(folder.rglob("*.partial"))
