"""Rows of planes under their names, with colour bars: drawn by hand, every point in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from wavelit_plugin.compare.figure import draw_image
from wavelit_plugin.compare.report.canvas import FONT, MUTED_TEXT, POINTS, SMALL, WIDTH
from wavelit_plugin.compare.report.palette import INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP, _NAME, _BAR = 6.0, 19.0, 46.0  # points
_COLUMNS = 3
_MOST_POINTS = 96  # a plane keeps; a file of a few hundred kilobytes
_LETTER = 6.4  # points

Scale = tuple[str, float, float]
"""Colours, lowest and highest value."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Planes side by side under one name.

    Attributes:
        name: of an operator, or what it is.
        planes: each (right, up).
        notes: a word or number over the right corner of each plane.
        colour: of the name.
        bold: whether the name stands out.
        scale: of its own, which no bar shows.
    """

    name: str
    planes: tuple[Tensor, ...]
    notes: tuple[str, ...]
    colour: str = INK
    bold: bool = False
    scale: Scale | None = None


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """Where planes are, in points from the lower left corner."""

    wide: float
    tall: float
    rows: int

    @property
    def height(self) -> float:
        """Of the whole figure."""
        return self.rows * (self.tall + _NAME) + _BAR

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Return the lower left corner of a plane."""
        left = column * (self.wide + _GAP)
        return left, self.height - (row + 1) * (self.tall + _NAME)


def strips_figure(
    strips: Sequence[Strip], scales: Sequence[Scale], *, label: str, stretch: bool
) -> Figure:
    """Draw strips below each other and their colour bars at the foot.

    Args:
        strips: all with as many planes of one size.
        scales: one for all planes, or one a column.
        label: of the colour bars.
        stretch: fill the width, whatever the shape of a plane is.
    """
    from matplotlib.figure import Figure

    grid = _grid(strips, stretch=stretch)
    figure = Figure(figsize=(WIDTH / POINTS, grid.height / POINTS), dpi=POINTS)
    images: list[Any] = []
    for row, strip in enumerate(strips):
        drawn = _draw_strip(figure, grid, row, strip, scales)
        images = images if strip.scale else drawn
    for column, image in enumerate(images[: len(scales)]):
        _draw_bar(figure, grid, column, image)
    _write(figure, grid, (0.0, _BAR - grid.tall - 17.0), label, color=MUTED_TEXT)
    return figure


def _grid(strips: Sequence[Strip], *, stretch: bool) -> _Grid:
    planes = strips[0].planes
    columns = len(planes) if stretch else _COLUMNS
    wide = (WIDTH - _GAP * (columns - 1)) / columns
    right, up = planes[0].shape
    tall = min(wide, WIDTH / 4) if stretch else min(wide * up / right, 1.5 * wide)
    return _Grid(wide=wide, tall=tall, rows=len(strips))


def _draw_strip(
    figure: Figure, grid: _Grid, row: int, strip: Strip, scales: Sequence[Scale]
) -> list[Any]:
    images = []
    for column, (plane, note) in enumerate(zip(strip.planes, strip.notes, strict=True)):
        cmap, low, high = strip.scale or scales[min(column, len(scales) - 1)]
        left, bottom = grid.corner(row, column)
        ax = figure.add_axes(_box(grid, left, bottom, grid.wide, grid.tall), frameon=False)
        ax.grid(visible=False)
        image = draw_image(
            ax, _coarse(plane), cmap=cmap, low=low, high=high, aspect="auto", interpolation="none"
        )
        images.append(image)
        _write(figure, grid, (left + grid.wide, bottom), note, ha="right", color=MUTED_TEXT)
    weight = "bold" if strip.bold else "normal"
    short = _short(strip.name, strip.notes[0], grid.wide)
    _write(figure, grid, grid.corner(row, 0), short, color=strip.colour, weight=weight, size=FONT)
    return images


def _short(name: str, note: str, wide: float) -> str:
    """Cut a name that would run into the note over the same plane."""
    room = int(wide / _LETTER) - len(note) - 1
    return f"{name[: room - 1]}…" if note and len(name) > room else name


def _write(
    figure: Figure, grid: _Grid, corner: tuple[float, float], text: str, **style: Any
) -> None:
    """Write over a plane whose lower left or right corner is given."""
    x, y = corner[0] / WIDTH, (corner[1] + grid.tall + 4) / grid.height
    figure.text(x, y, text, **{"size": SMALL, "va": "baseline", **style})


def _draw_bar(figure: Figure, grid: _Grid, column: int, image: Any) -> None:
    left, _ = grid.corner(0, column)
    place = figure.add_axes(_box(grid, left + 6.0, _BAR - 28.0, grid.wide - 12.0, 7.0))
    bar = figure.colorbar(image, cax=place, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.ax.locator_params(nbins=3)
    bar.ax.grid(visible=False)


def _box(grid: _Grid, left: float, bottom: float, wide: float, tall: float) -> Any:
    return (left / WIDTH, bottom / grid.height, wide / WIDTH, tall / grid.height)


def _coarse(plane: Tensor) -> Tensor:
    """Average neighbours where a plane has more points than can be seen."""
    size = (min(plane.shape[0], _MOST_POINTS), min(plane.shape[1], _MOST_POINTS))
    if size == tuple(plane.shape):
        return plane
    return adaptive_avg_pool2d(plane[None, None], size)[0, 0]
