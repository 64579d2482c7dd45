"""The picture of a transfer matrix: what each way to a model does to the error, as colours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavelit_plugin.compare.figure import check_figure
from wavelit_plugin.compare.runs import Estimate
from wavelit_plugin.compare.transfer.matrix import Entry, Matrix
from wavelit_plugin.compare.transfer.request import BESPOKE
from wavelit_plugin.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG, SVG = "transfer.png", "transfer.svg"

# purple is better and orange worse, which is told apart with every kind of colour blindness
_COLOURS = "PuOr_r"
_LIMIT = 2.0  # of the binary logarithm of the ratio: four times better or worse
# of a ground, below which white has more contrast than black (WCAG 2.2, relative luminance)
_DARK = 0.179
_EMPTY = "#cdd3da"
_CELL, _MARGIN, _DPI = (1.05, 0.62), (3.6, 1.9), 130  # inches


def transfer_figure(matrix: Matrix) -> Figure:
    """Return a figure with two heat maps, of one step and of the roll-outs.

    A cell has the VRMSE and, below it, that over the bespoke model's, which is also its colour.

    Raises:
        HostError: matplotlib is not installed.
    """
    check_figure()
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    rows, columns = len(matrix.data_sets), len(matrix.columns)
    size = (2 * columns * _CELL[0] + _MARGIN[0], rows * _CELL[1] + _MARGIN[1])
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    titles = ("one step", "roll-out, steps {}-{}".format(*matrix.window))
    for ax, title, rolled in zip(axes, titles, (False, True), strict=True):
        ax.set_title(f"VRMSE, {title}")
        _draw(ax, matrix, rolled=rolled)
    axes[0].set_yticks(range(rows), matrix.data_sets)
    colours = ScalarMappable(Normalize(-_LIMIT, _LIMIT), _COLOURS)
    bar = figure.colorbar(colours, ax=list(axes), fraction=0.03, pad=0.01, extend="both")
    ticks = range(-int(_LIMIT), int(_LIMIT) + 1)
    bar.set_ticks(list(ticks), labels=[f"{2.0**tick:g}" for tick in ticks])
    bar.set_label("over the bespoke model's\n(below 1: better)")
    return figure


def write_picture(matrix: Matrix, folder: Path) -> tuple[Path, ...]:
    """Write PNG and SVG, each whole or not at all; return where.

    Raises:
        HostError: matplotlib is not installed.
    """
    figure = transfer_figure(matrix)
    paths = (folder / PNG, folder / SVG)
    for path, kind in zip(paths, ("png", "svg"), strict=True):
        with whole(path) as draft:
            figure.savefig(draft, format=kind, dpi=_DPI)
    return paths


def _draw(ax: Axes, matrix: Matrix, *, rolled: bool) -> None:
    colours = [
        [_colour(_of(matrix.entry(row, column), rolled=rolled)[1]) for column in matrix.columns]
        for row in matrix.data_sets
    ]
    ax.imshow(colours, aspect="auto")
    ax.set_xticks(
        range(len(matrix.columns)), [column.replace("+", "\n+") for column in matrix.columns]
    )
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    # white lines between the cells
    ax.set_xticks([x - 0.5 for x in range(1, len(matrix.columns))], minor=True)
    ax.set_yticks([y - 0.5 for y in range(1, len(matrix.data_sets))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    for y, row in enumerate(matrix.data_sets):
        for x, column in enumerate(matrix.columns):
            _write(ax, (x, y), matrix.entry(row, column), rolled=rolled)


def _write(ax: Axes, place: tuple[int, int], entry: Entry | None, *, rolled: bool) -> None:
    value, ratio = _of(entry, rolled=rolled)
    ink = "white" if _luminance(_colour(ratio)) < _DARK else "black"
    x, y = place
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": ink, "fontsize": 9}
    if value is None:
        ax.text(x, y, "-", **style)
        return
    compared = ratio is not None and entry is not None and entry.column != BESPOKE
    ax.text(x, y - 0.14 * compared, f"{value.mean:#.3g}", **style)
    if compared:
        ax.text(x, y + 0.22, f"x {ratio:.2f}", **{**style, "fontsize": 7.5})


def _of(entry: Entry | None, *, rolled: bool) -> tuple[Estimate | None, float | None]:
    if entry is None:
        return None, None
    if rolled:
        return entry.rollout, entry.rollout_ratio
    return entry.one_step, entry.one_step_ratio


def _colour(ratio: float | None) -> tuple[float, float, float]:
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if ratio is None:
        return to_rgb(_EMPTY)
    red, green, blue, _ = colormaps[_COLOURS](0.5 + _log(ratio) / (2 * _LIMIT))
    return red, green, blue


def _luminance(colour: tuple[float, float, float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _log(ratio: float) -> float:
    """Return the binary logarithm, within the limits of the colours."""
    if ratio <= 0:
        return -_LIMIT
    return max(-_LIMIT, min(_LIMIT, math.log2(ratio)))
