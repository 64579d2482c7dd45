"""How figures are drawn: size, fonts, axes, and what a picture consists of.

One unit of a figure is a point; a figure is 380 units wide, so that its letters can be read on a
telephone and two fit side by side on a desk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wavelit_plugin.compare.report.labels import Box, beside, spread
from wavelit_plugin.compare.report.palette import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 380.0
POINTS = 72.0  # an inch
FONT = 11.0
MUTED_TEXT = MUTED
SMALL = 10.0
_FAR = 14.0  # points between a name and what it names, from which on a line joins them
_LEADER: Any = {"arrowstyle": "-", "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
_APART = 0.13  # ticks at least, in lengths of the axis
_PARTS: tuple[tuple[float, ...], ...] = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
)

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": FONT,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.h_pad": 0.05,
    "figure.constrained_layout.w_pad": 0.05,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with its words.

    Attributes:
        name: of its files.
        title: what it shows, in a few words.
        caption: what to see in it.
        figure: the drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw and save in the style of the report, whatever the user's own settings are."""
    from matplotlib import rc_context, rcdefaults

    with rc_context():
        rcdefaults()
        with rc_context(_STYLE):
            yield


def new_figure(height: float = 270.0) -> tuple[Figure, Axes]:
    """Return a figure of one pair of axes, ``height`` points high."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / POINTS, height / POINTS), dpi=POINTS, layout="constrained")
    return figure, figure.add_subplot()


def log_axis(axis: Any, text: Callable[[float], str], low: float, high: float) -> None:
    """Make an axis logarithmic from low to high, with plain numbers at few places."""
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    getattr(axis.axes, f"set_{axis.axis_name}lim")(low, high)
    mark(axis, log_ticks(low, high), text)


def mark(axis: Any, places: Sequence[float], text: Callable[[float], str]) -> None:
    """Put ticks at these places and nowhere else."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def log_ticks(low: float, high: float) -> list[float]:
    """Return a few round numbers between two, with room for what is written beside them.

    >>> log_ticks(0.02, 0.6)
    [0.03, 0.1, 0.3]
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for parts in _PARTS:
        found = [float(f"{part}e{decade}") for decade in decades for part in parts]
        found = [value for value in found if low <= value <= high]
        if len(found) >= 3:
            break
    least = _APART * math.log(high / low)
    kept: list[float] = []
    for value in found:
        if not kept or math.log(value / kept[-1]) > least:
            kept.append(value)
    return kept


def log_limits(values: Sequence[float], *, margin: float = 1.25) -> tuple[float, float]:
    """Return limits around positive values, at least a factor of two apart."""
    low, high = min(values) / margin, max(values) * margin
    if high < 2 * low:
        middle = (low * high) ** 0.5
        low, high = middle / 2**0.5, middle * 2**0.5
    return low, high


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A name at a point, in the units of the axes."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool = False


def name_ends(ax: Axes, tags: Sequence[Tag]) -> None:
    """Write names beside the right edge at the height of their lines' ends; set limits before."""
    ends = [_fraction(ax, tag) for tag in tags]
    figure: Any = ax.figure
    tall = figure.get_figheight() * POINTS * 0.8  # about what the axes get
    places = spread([height for _, height in ends], SMALL * 1.3 / tall, 0.02, 0.98)
    for tag, (end, height), place in zip(tags, ends, places, strict=True):
        ax.plot(
            [end + 0.01, 1.01, 1.04], [height, height, place], color=tag.colour, lw=0.7, alpha=0.6,
            transform=ax.transAxes, clip_on=False, zorder=1.5,
        )  # fmt: skip
        weight = "bold" if tag.bold else "normal"
        ax.text(
            1.05, place, tag.text, color=tag.colour, weight=weight, size=SMALL, va="center",
            transform=ax.transAxes,
        )  # fmt: skip


def name_points(ax: Axes, tags: Sequence[Tag]) -> None:
    """Write names beside points inside the axes; everything else must be drawn before."""
    figure: Any = ax.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = [tuple(ax.transData.transform((tag.x, tag.y))) for tag in tags]
    frame = ax.get_window_extent()
    room = Box(left=frame.x0, bottom=frame.y0, width=frame.width, height=frame.height)
    boxes = beside(
        points, [tag.text for tag in tags], SMALL, room, texts_there=_texts(ax), lines=_lines(ax)
    )
    for tag, box, (x, y) in zip(tags, boxes, points, strict=True):
        right = box.left + box.width <= x
        anchor = box.left + box.width if right else box.left
        far = (
            abs(box.bottom + box.height / 2 - y) > _FAR
            or min(abs(anchor - x), abs(x - box.left)) > _FAR
        )
        ax.annotate(
            tag.text, (tag.x, tag.y), (anchor - x, box.bottom + box.height / 2 - y),
            textcoords="offset points", color=tag.colour, size=SMALL, va="center",
            ha="right" if right else "left", weight="bold" if tag.bold else "normal",
            arrowprops=_LEADER | {"color": tag.colour} if far else None,
        )  # fmt: skip


def _texts(ax: Axes) -> list[Box]:
    """Boxes of the texts that are there, in points; the figure has one pixel a point."""
    extents = [text.get_window_extent() for text in ax.texts]
    return [Box(left=e.x0, bottom=e.y0, width=e.width, height=e.height) for e in extents]


def _lines(ax: Axes) -> list[Box]:
    """Small boxes along the lines that are there, in points."""
    boxes: list[Box] = []
    for line in ax.lines:
        corners = [tuple(c) for c in line.get_transform().transform(line.get_xydata())]
        for start, end in pairwise(corners):
            boxes += _along(start, end)
    return boxes


def _along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """Small boxes along a straight line."""
    pieces = max(math.ceil(math.dist(start, end) / 3.0), 1)
    wide, tall = end[0] - start[0], end[1] - start[1]
    places = [(start[0] + wide * i / pieces, start[1] + tall * i / pieces) for i in range(pieces)]
    return [Box(left=x - 1.5, bottom=y - 1.5, width=3.0, height=3.0) for x, y in places]


def _fraction(ax: Axes, tag: Tag) -> tuple[float, float]:
    """Where a point is as fractions of the axes, inside of them."""
    place = (ax.transData + ax.transAxes.inverted()).transform((tag.x, tag.y))
    x, y = (float(min(max(value, 0.0), 1.0)) for value in place)
    return x, y
