"""How errors grow when predictions are fed back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wavelit_plugin.compare.report.canvas import (
    MUTED_TEXT,
    SMALL,
    Picture,
    Tag,
    drawing_style,
    log_axis,
    log_limits,
    name_ends,
    new_figure,
)
from wavelit_plugin.compare.report.numbers import error_text
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.sentences import listed
from wavelit_plugin.compare.runs import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HIGHEST = 10.0  # VRMSE; above it a prediction is of no use, however far
_CAPTION = (
    "VRMSE of every step when each prediction is the next input, mean over test trajectories and "
    "fields; the band spans the seeds. At 1 the mean of the field would do as well."
)


def rollout_pictures(scene: Scene) -> list[Picture]:
    """Return the picture, or none for static data."""
    rows = [row for row in scene.order if _known(row.rollout or ())]
    if not rows:
        return []
    with drawing_style():
        figure, ax = new_figure(max(280.0, 60 + 18.0 * len(rows)))
        values = [value for row in rows for value in _known(row.rollout or ())]
        low, high = log_limits([v for v in values if v > 0] or [0.1, 1.0])
        log_axis(ax.yaxis, error_text, low, min(high, _HIGHEST))
        longest = max(len(row.rollout or ()) for row in rows)
        ax.set_xlim(1, max(longest, 2))
        ax.locator_params(axis="x", integer=True)
        _mark_mean(ax)
        name_ends(ax, [_draw(ax, row, scene) for row in rows])
        ax.set_xlabel("roll-out step")
        ax.set_ylabel("VRMSE")
    return [
        Picture(
            name="rollout",
            title="Error of the roll-out, step by step",
            caption=_CAPTION + _lost(scene),
            figure=figure,
        )
    ]


def _draw(ax: Axes, row: Row, scene: Scene) -> Tag:
    look, mean = scene.looks[row.label], _known(row.rollout or ())
    steps = range(1, len(mean) + 1)
    seeds = [_known(run.metrics["rollout"] or ()) for run in row.runs]
    if len(seeds) > 1:
        columns = list(zip(*seeds, strict=False))[: len(mean)]
        bounds = [min(c) for c in columns], [max(c) for c in columns]
        ax.fill_between(
            range(1, len(columns) + 1), *bounds, color=look.colour, alpha=0.16, linewidth=0
        )
    ax.plot(steps, mean, zorder=4 if look.bold else 3, **look.line)
    if len(mean) == 1:
        ax.plot(steps, mean, marker=look.marker, color=look.colour)
    return Tag(
        text=scene.shortened[row.label], x=len(mean), y=mean[-1], colour=look.colour, bold=look.bold
    )


def _mark_mean(ax: Axes) -> None:
    low, high = ax.get_ylim()
    if low < 1 < high:
        ax.axhline(1.0, color=MUTED_TEXT, lw=0.8)
        ax.annotate(
            "no better than the mean", (0.01, 1.0), (0, 2), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="bottom", size=SMALL - 1, color=MUTED_TEXT,
        )  # fmt: skip


def _known(values: Sequence[float | None]) -> list[float]:
    """What comes before the first error that is not finite."""
    known: list[float] = []
    for value in values:
        if value is None:
            break
        known.append(value)
    return known


def _lost(scene: Scene) -> str:
    lost = [row.label for row in scene.order if row.rollout and None in row.rollout]
    return f" Lines that end early diverged in a seed: {listed(lost)}." if lost else ""
