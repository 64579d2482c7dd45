"""All pictures of an evaluation as files."""

from __future__ import annotations

from pathlib import Path

from wavelit_plugin.compare.evaluation.animation import write_animation
from wavelit_plugin.compare.evaluation.curves import growth_pictures, spectrum_picture
from wavelit_plugin.compare.evaluation.evaluation import Evaluation
from wavelit_plugin.compare.evaluation.frames import frame_pictures
from wavelit_plugin.compare.figure import check_figure
from wavelit_plugin.compare.report.canvas import drawing_style
from wavelit_plugin.compare.report.vector import Rendered, render
from wavelit_plugin.files import make_folder, write_file

FIGURES = "figures"


def write_pictures(evaluation: Evaluation) -> tuple[Path, ...]:
    """Write figures/*.png and *.svg and the animation beside the tables; earlier ones go.

    Raises:
        HostError: matplotlib is missing.
    """
    check_figure()
    folder = evaluation.table.parent
    found, fields = evaluation.found, evaluation.shown.fields
    pictures = (
        *growth_pictures(found, fields),
        spectrum_picture(found, evaluation.plan["steps"]),
        *frame_pictures(evaluation.shown),
    )
    make_folder(folder / FIGURES)
    with drawing_style():
        drawn = [path for picture in pictures for path in _write(folder / FIGURES, render(picture))]
    return (*drawn, write_animation(folder, evaluation.shown))


def _write(folder: Path, picture: Rendered) -> tuple[Path, Path]:
    png, svg = (folder / f"{picture.name}.{kind}" for kind in ("png", "svg"))
    return write_file(png, picture.png), write_file(svg, picture.svg)
