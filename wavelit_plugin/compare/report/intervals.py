"""The ranking as a picture: a mean, its interval and every seed, an operator a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wavelit_plugin.compare.report.canvas import (
    MUTED_TEXT,
    SMALL,
    Picture,
    drawing_style,
    log_axis,
    log_limits,
    new_figure,
)
from wavelit_plugin.compare.report.measures import Ranking
from wavelit_plugin.compare.report.numbers import error_text, estimate_text
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.runs import Estimate, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _AROUND = 23.0, 62.0  # points
_CAPTION = (
    "Each small dot is one seed, the large one their mean, the bar the 95 % confidence interval of "
    "the mean. Further left is better; the axis is logarithmic. Bars that overlap are a tie."
)


def ranking_pictures(scene: Scene) -> list[Picture]:
    """Return a picture for each measure in which anything is finite."""
    return [_picture(scene, ranking) for ranking in scene.rankings if ranking.finite]


def _picture(scene: Scene, ranking: Ranking) -> Picture:
    measure = ranking.measure
    with drawing_style():
        figure, ax = new_figure(_AROUND + _ROW * len(ranking.order))
        low, high = _limits(ranking)
        log_axis(ax.xaxis, error_text, low, high)
        for place, row in enumerate(ranking.order):
            _draw_row(ax, place, row, measure.of(row), scene)
        ax.set_ylim(len(ranking.order) - 0.4, -0.6)
        ax.set_xlabel(f"{measure.title} ({measure.unit})")
        _name_rows(ax, scene, ranking)
    return Picture(
        name=f"ranking-{measure.key}",
        title=f"Ranking by {measure.title}",
        caption=_CAPTION,
        figure=figure,
    )


def _limits(ranking: Ranking) -> tuple[float, float]:
    """Room for every seed and every interval; one that reaches to zero or below is cut off."""
    estimates = [ranking.measure.of(row) for row in ranking.finite]
    seen = [value for e in estimates if e for value in (*e.values, e.high, e.mean) if value > 0]
    lows = [e.low for e in estimates if e and e.low > 0.3 * e.mean]
    return log_limits([*seen, *lows] or [0.1, 1.0])


def _draw_row(ax: Axes, place: int, row: Row, estimate: Estimate | None, scene: Scene) -> None:
    look = scene.looks[row.label]
    if estimate is None:
        ax.annotate(
            "diverged", (0.0, place), (4, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", color=look.colour, va="center", style="italic",
        )  # fmt: skip
        return
    left = max(estimate.low, ax.get_xlim()[0])
    width = 2.6 if look.bold else 1.8
    ax.plot([left, estimate.high], [place] * 2, color=look.colour, lw=width)
    ax.plot(
        estimate.values, [place] * len(estimate.values), ls="none", marker="o", ms=3.5,
        color=look.colour, alpha=0.45, mec="none",
    )  # fmt: skip
    ax.plot(
        [estimate.mean], [place], ls="none", marker=look.marker, ms=8 if look.bold else 6.5,
        color=look.colour,
    )  # fmt: skip


def _name_rows(ax: Axes, scene: Scene, ranking: Ranking) -> None:
    """Put names on the left and numbers on the right, in the colours of the operators."""
    ax.set_yticks(range(len(ranking.order)), [scene.shortened[r.label] for r in ranking.order])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    for place, (tick, row) in enumerate(zip(ax.get_yticklabels(), ranking.order, strict=True)):
        look = scene.looks[row.label]
        tick.set(color=look.colour, fontweight="bold" if look.bold else "normal")
        estimate = ranking.measure.of(row)
        if estimate is not None:
            ax.text(
                1.02, place, estimate_text(estimate), transform=ax.get_yaxis_transform(),
                va="center", size=SMALL, color=MUTED_TEXT, weight="bold" if look.bold else "normal",
            )  # fmt: skip
