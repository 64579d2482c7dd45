"""The report as files: one page, its figures, a table and a record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from wavelit_plugin.compare.figure import check_figure
from wavelit_plugin.compare.report.canvas import drawing_style
from wavelit_plugin.compare.report.figures import draw
from wavelit_plugin.compare.report.page import page
from wavelit_plugin.compare.report.scene import Scene, load_scene
from wavelit_plugin.compare.report.sentences import headline, remarks
from wavelit_plugin.compare.report.tables import as_plain, csv_text
from wavelit_plugin.compare.report.vector import Rendered, render
from wavelit_plugin.errors import HostError
from wavelit_plugin.files import make_folder, write_file

PAGE, TABLE, RECORD, FIGURES = "report.html", "table.csv", "results.json", "figures"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found and written.

    Attributes:
        headline: the result in one sentence.
        remarks: what to know before believing it.
        page: the HTML file.
        table: the CSV file.
        record: the JSON file.
        figures: PNG and SVG files.
    """

    headline: str
    remarks: tuple[str, ...]
    page: Path
    table: Path
    record: Path
    figures: tuple[Path, ...]

    def as_plain(self) -> dict[str, object]:
        """Return plain types, for JSON."""
        return {
            "headline": self.headline,
            "remarks": list(self.remarks),
            "page": str(self.page),
            "table": str(self.table),
            "record": str(self.record),
            "figures": [str(path) for path in self.figures],
        }


def check_report() -> None:
    """Raise HostError if no report can be made; ask before a long computation."""
    check_figure()
    if find_spec("jinja2") is None:
        raise HostError(
            "the report needs jinja2, which is not installed; install wavelit-plugin[report]"
        )


def write_report(folder: Path) -> Report:
    """Write report.html, figures/, table.csv and results.json into a folder of a comparison.

    An earlier report there is replaced; so are its figures that this one has too.

    Raises:
        DataError: the folder holds no comparison, none of its runs is finished, or it is damaged.
        HostError: matplotlib or jinja2 is missing.
    """
    check_report()
    scene = load_scene(folder)
    with drawing_style():
        pictures = {name: [render(p) for p in part] for name, part in draw(scene).items()}
    html = page(scene, pictures)
    drawn = [path for part in pictures.values() for p in part for path in _write_files(folder, p)]
    return Report(
        headline=headline(scene.rankings),
        remarks=remarks(scene.rankings, scene.plan),
        page=write_file(folder / PAGE, html),
        table=write_file(folder / TABLE, csv_text(scene)),
        record=write_file(folder / RECORD, _record(scene)),
        figures=tuple(drawn),
    )


def _write_files(folder: Path, picture: Rendered) -> tuple[Path, Path]:
    path = folder / FIGURES / f"{picture.name}.png"
    make_folder(path.parent)
    return write_file(path, picture.png), write_file(path.with_suffix(".svg"), picture.svg)


def _record(scene: Scene) -> str:
    content = {
        "format": FORMAT,
        "headline": headline(scene.rankings),
        "remarks": remarks(scene.rankings, scene.plan),
        "best": {r.measure.key: [row.label for row in r.best] for r in scene.rankings},
        "plan": scene.plan,
        "rows": [as_plain(row) for row in scene.order],
    }
    return f"{json.dumps(content, indent=2, allow_nan=False)}\n"
