"""How training went: losses against time, and the learning rates that were tried."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from wavelit_plugin.compare.report.canvas import (
    Picture,
    Tag,
    drawing_style,
    log_axis,
    log_limits,
    mark,
    name_ends,
    name_points,
    new_figure,
)
from wavelit_plugin.compare.report.numbers import error_text, rate_text, seconds_text
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.sentences import listed
from wavelit_plugin.compare.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOW = 5  # points of the running median
_MOST_RATES = 6  # that have room under an axis
_LOSS_CAPTION = (
    "Loss of the training batches at the best learning rate, running median; thin lines are the "
    "other seeds. Losses of different criteria cannot be compared with each other."
)
_RATE_CAPTION = (
    "Error on validation data with seed 0 by the largest learning rate of the schedule; "
    "the filled point was chosen. A choice at an edge means that a better rate may lie outside."
)
_Curve = Sequence[tuple[float, float]]


def training_pictures(scene: Scene) -> list[Picture]:
    """Return losses against time and errors against learning rates, where there are any."""
    return [*_losses(scene), *_rates(scene)]


def _losses(scene: Scene) -> list[Picture]:
    curves = {row.label: [_smooth(run.curve) for run in row.runs] for row in scene.trained}
    shown = [row for row in scene.trained if any(curves[row.label])]
    points = [point for row in shown for curve in curves[row.label] for point in curve]
    if not points:
        return []
    with drawing_style():
        figure, ax = new_figure(max(280.0, 60 + 18.0 * len(shown)))
        log_axis(ax.xaxis, seconds_text, *log_limits([x for x, _ in points], margin=1.0))
        log_axis(ax.yaxis, error_text, *log_limits([y for _, y in points]))
        tags = [_draw_curves(ax, curves[row.label], row, scene) for row in shown]
        name_ends(ax, [tag for tag in tags if tag])
        ax.set_xlabel("training time")
        ax.set_ylabel("training loss")
    title = "Training loss against training time"
    return [Picture(name="training-loss", title=title, caption=_LOSS_CAPTION, figure=figure)]


def _draw_curves(ax: Axes, curves: Sequence[_Curve], row: Row, scene: Scene) -> Tag | None:
    look, first = scene.looks[row.label], next(curve for curve in curves if curve)
    for curve in curves:
        style = look.line if curve is first else {**look.line, "linewidth": 0.7, "alpha": 0.45}
        ax.plot([x for x, _ in curve], [y for _, y in curve], **style)
    x, y = first[-1]
    return Tag(text=scene.shortened[row.label], x=x, y=y, colour=look.colour, bold=look.bold)


def _smooth(curve: Sequence[tuple[int, float, float]]) -> _Curve:
    """Running median of the loss against the seconds; without what a log axis cannot show."""
    points = [(seconds, loss) for _, seconds, loss in curve if seconds > 0 and loss > 0]
    half = _WINDOW // 2
    return [
        (x, statistics.median(y for _, y in points[max(i - half, 0) : i + half + 1]))
        for i, (x, _) in enumerate(points)
    ]


def _rates(scene: Scene) -> list[Picture]:
    """Tell nothing where one rate was tried only."""
    tried = {row.label: _known(row) for row in scene.trained if len(row.tried) > 1}
    shown = [row for row in scene.trained if tried.get(row.label)]
    points = [point for row in shown for point in tried[row.label]]
    if not points:
        return []
    with drawing_style():
        figure, ax = new_figure(max(280.0, 60 + 12.0 * len(shown)))
        log_axis(ax.xaxis, rate_text, *log_limits([x for x, _ in points], margin=1.6))
        rates = sorted({x for x, _ in points})
        if len(rates) <= _MOST_RATES:
            mark(ax.xaxis, rates, rate_text)
        log_axis(ax.yaxis, error_text, *log_limits([y for _, y in points]))
        tags = [_draw_rates(ax, tried[row.label], row, scene) for row in shown]
        ax.set_xlabel("largest learning rate")
        ax.set_ylabel("validation error (VRMSE)")
        name_points(ax, tags)
    caption = f"{_RATE_CAPTION} {_edges(scene)}".strip()
    return [Picture(name="rates", title="Learning rates tried", caption=caption, figure=figure)]


def _draw_rates(ax: Axes, tried: _Curve, row: Row, scene: Scene) -> Tag:
    look = scene.looks[row.label]
    for (x, y), (right, above) in pairwise(tried):
        ax.plot([x, right], [y, above], **look.line)
    for x, y in tried:
        filled = look.colour if x == row.learning_rate else "none"
        ax.plot([x], [y], marker=look.marker, ms=7, color=look.colour, mfc=filled)
    x, y = min(tried, key=lambda point: point[1])
    return Tag(text=scene.shortened[row.label], x=x, y=y, colour=look.colour, bold=look.bold)


def _known(row: Row) -> _Curve:
    return [(rate, error) for rate, error in row.tried if error is not None and error > 0]


def _edges(scene: Scene) -> str:
    edges = [row.label for row in scene.trained if row.rate_at_edge]
    return f"At an edge here: {listed(edges)}." if edges else "None is at an edge here."
