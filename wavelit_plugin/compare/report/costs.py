"""What accuracy costs: errors against parameters, training time and inference time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from wavelit_plugin.compare.report.canvas import (
    MUTED_TEXT,
    SMALL,
    Picture,
    Tag,
    drawing_style,
    log_axis,
    log_limits,
    name_points,
    new_figure,
)
from wavelit_plugin.compare.report.measures import Ranking
from wavelit_plugin.compare.report.numbers import count_text, error_text, seconds_text
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an operator costs; less is better.

    Attributes:
        key: short name for files.
        title: with which it is spoken of.
        of: reads it from a row.
        text: writes it.
        remark: about how it was measured, for captions.
    """

    key: str
    title: str
    of: Callable[[Row], float]
    text: Callable[[float], str]
    remark: str


COSTS: tuple[Cost, ...] = (
    Cost(
        key="parameters",
        title="parameters",
        of=lambda row: row.parameters,
        text=count_text,
        remark="A complex parameter counts as two.",
    ),
    Cost(
        key="training",
        title="training time",
        of=lambda row: row.training_seconds,
        text=seconds_text,
        remark="Training alone, without evaluation; median over the seeds.",
    ),
    Cost(
        key="inference",
        title="inference time",
        of=lambda row: row.inference_seconds,
        text=seconds_text,
        remark="Of one sample, at the training batch size; median over the seeds.",
    ),
)


def cost_pictures(scene: Scene) -> list[Picture]:
    """Return a picture for each cost and measure that have anything to show."""
    pairs = [(cost, ranking) for cost in COSTS for ranking in scene.rankings]
    return [
        _picture(scene, cost, ranking, rows)
        for cost, ranking in pairs
        if (rows := [row for row in ranking.finite if row.trained and cost.of(row) > 0])
    ]


def _picture(scene: Scene, cost: Cost, ranking: Ranking, rows: Sequence[Row]) -> Picture:
    measure = ranking.measure
    still = [row for row in ranking.finite if not row.trained]
    with drawing_style():
        figure, ax = new_figure()
        errors = [ranking.mean(row) for row in (*rows, *still) if ranking.mean(row) > 0]
        log_axis(ax.xaxis, cost.text, *log_limits([cost.of(row) for row in rows], margin=1.7))
        log_axis(ax.yaxis, error_text, *log_limits(errors or [0.1, 1.0], margin=1.4))
        _draw_front(ax, cost, ranking, rows)
        for row in still:
            _draw_level(ax, ranking.mean(row), row, scene)
        tags = [_draw_point(ax, cost, ranking, row, scene) for row in rows]
        ax.set_xlabel(cost.title)
        ax.set_ylabel(f"{measure.title} ({measure.unit})")
        name_points(ax, tags)
    return Picture(
        name=f"{measure.key}-{cost.key}",
        title=f"{measure.title[0].upper()}{measure.title[1:]} against {cost.title}",
        caption=f"Lower left is better; the grey steps join the operators that none beats in both. "
        f"Bars are 95 % confidence intervals. {cost.remark}",
        figure=figure,
    )


def _draw_point(ax: Axes, cost: Cost, ranking: Ranking, row: Row, scene: Scene) -> Tag:
    look, estimate = scene.looks[row.label], ranking.measure.of(row)
    x, y = cost.of(row), ranking.mean(row)
    if estimate is not None and estimate.half:
        low = max(estimate.low, ax.get_ylim()[0])
        ax.plot([x, x], [low, estimate.high], color=look.colour, lw=1.4, alpha=0.7)
    ax.plot([x], [y], ls="none", marker=look.marker, ms=9 if look.bold else 7, color=look.colour)
    return Tag(text=scene.shortened[row.label], x=x, y=y, colour=look.colour, bold=look.bold)


def _draw_level(ax: Axes, error: float, row: Row, scene: Scene) -> None:
    """Draw what is not trained as a level that a trained operator must stay below."""
    look = scene.looks[row.label]
    ax.axhline(error, zorder=1.5, **look.line)
    ax.annotate(
        scene.shortened[row.label], (1.0, error), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", size=SMALL, color=look.colour,
    )  # fmt: skip


def _draw_front(ax: Axes, cost: Cost, ranking: Ranking, rows: Sequence[Row]) -> None:
    """Draw the steps below which there is no operator."""
    points = sorted((cost.of(row), ranking.mean(row)) for row in rows)
    front: list[tuple[float, float]] = []
    for x, y in points:
        if not front or y < front[-1][1]:
            front.append((x, y))
    (first, _), (_, last) = front[0], front[-1]
    top, right = ax.get_ylim()[1], ax.get_xlim()[1]
    steps = [(first, top), front[0]]
    for (_, above), (x, y) in pairwise(front):
        steps += [(x, above), (x, y)]
    xs, ys = zip(*steps, (right, last), strict=True)
    ax.plot(xs, ys, color=MUTED_TEXT, alpha=0.35, lw=1.2, zorder=1)
