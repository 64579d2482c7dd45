"""Pictures of numbers: error by roll-out step, energy by wave number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from wavelit_plugin.compare.evaluation.predictors import MEAN, MODEL, PERSISTENCE
from wavelit_plugin.compare.evaluation.scores import Scores
from wavelit_plugin.compare.evaluation.summary import growth
from wavelit_plugin.compare.report.canvas import (
    MUTED_TEXT,
    Picture,
    Tag,
    drawing_style,
    log_axis,
    log_limits,
    name_ends,
    new_figure,
)
from wavelit_plugin.compare.report.numbers import error_text
from wavelit_plugin.compare.report.palette import Look
from wavelit_plugin.compare.report.wave_numbers import FLOOR, draw_truth, set_wave_axes

_HIGHEST = 10.0  # VRMSE; above it a prediction is of no use, however far
_LOOKS = {
    MODEL: Look(name="accent", marker="o", bold=True),
    PERSISTENCE: Look(name="quiet", marker="d", dash=(5, 2)),
    MEAN: Look(name="quiet", marker="d", dash=(1.5, 1.5)),
}
_COLOURS = ("accent", "blue", "teal", "plum", "sky", "sand")
_GROWTH = (
    "VRMSE of every step when each prediction is the next input, mean over the test trajectories; "
    "a line that ends early diverged. At 1 the mean of each frame would do as well."
)
_SPECTRUM = (
    "Energy by wave number at step {} of the roll-outs, mean over normalised fields and "
    "trajectories. A roll-out below the truth has lost detail, one above it has added noise; "
    "where the error meets the truth, nothing of that scale is predicted."
)

Curve = tuple[Look, Sequence[tuple[float, float]]]


def growth_pictures(
    found: Sequence[Mapping[str, Scores]], fields: Sequence[str]
) -> tuple[Picture, ...]:
    """Return the error by step of all predictors, and of the model field by field."""
    all_of = {name: [one[name] for one in found] for name in found[0]}
    whole = {name: (_LOOKS[name], _known(growth(scores))) for name, scores in all_of.items()}
    means = torch.stack([one.rollout for one in all_of[MODEL]]).double().mean(dim=0)
    single = {
        field: (Look(name=_COLOURS[i % 6], marker="o"), _known(means[:, i].tolist()))
        for i, field in enumerate(fields)
    }
    pictures = [_growth("growth", "Error of the roll-out, step by step", whole)]
    if len(fields) > 1:
        pictures.append(_growth("growth-fields", "The same, field by field", single))
    return tuple(pictures)


def spectrum_picture(found: Sequence[Mapping[str, Scores]], steps: int) -> Picture:
    """Return the energy of truth, roll-out and error by wave number at the last step."""
    energies = torch.stack([one[MODEL].spectrum for one in found]).double()
    truth, predicted, error = energies.mean(dim=0).tolist()
    floor = FLOOR * max(truth)
    curves = {
        "truth": (Look(name="quiet", marker="d"), _positive(truth, floor)),
        "roll-out": (_LOOKS[MODEL], _positive(predicted, floor)),
        "error": (Look(name="plum", marker="s", dash=(4, 1.5)), _positive(error, floor)),
    }
    with drawing_style():
        figure, ax = new_figure(290.0)
        set_wave_axes(ax, [curve for _, curve in curves.values()], of="energy")
        draw_truth(ax, curves["truth"][1])
        name_ends(ax, [_draw(ax, name, curve) for name, curve in curves.items() if curve[1]])
    return Picture(
        name="spectrum",
        title="Energy by wave number",
        caption=_SPECTRUM.format(steps),
        figure=figure,
    )


def _growth(name: str, title: str, curves: Mapping[str, Curve]) -> Picture:
    with drawing_style():
        figure, ax = new_figure(290.0)
        values = [y for _, curve in curves.values() for _, y in curve if y > 0]
        low, high = log_limits(values or [0.1, 1.0])
        low = min(low, _HIGHEST / 2)
        log_axis(ax.yaxis, error_text, low, min(high, _HIGHEST))
        longest = max((len(curve) for _, curve in curves.values()), default=2)
        ax.set_xlim(1, max(longest, 2))
        ax.locator_params(axis="x", integer=True)
        if low < 1 < high:
            ax.axhline(1.0, color=MUTED_TEXT, lw=0.8)
        name_ends(ax, [_draw(ax, label, curve) for label, curve in curves.items() if curve[1]])
        ax.set_xlabel("roll-out step")
        ax.set_ylabel("VRMSE")
    return Picture(name=name, title=title, caption=_GROWTH, figure=figure)


def _draw(ax: object, label: str, curve: Curve) -> Tag:
    look, points = curve
    across, up = zip(*points, strict=True)
    ax.plot(across, up, zorder=4 if look.bold else 3, **look.line)  # type: ignore[attr-defined]
    if len(points) == 1:
        ax.plot(across, up, marker=look.marker, color=look.colour)  # type: ignore[attr-defined]
    return Tag(text=label, x=across[-1], y=up[-1], colour=look.colour, bold=look.bold)


def _known(errors: Sequence[float | None]) -> list[tuple[float, float]]:
    """Steps and errors up to the first that is not finite."""
    points: list[tuple[float, float]] = []
    for step, error in enumerate(errors, start=1):
        if error is None or error != error:  # noqa: PLR0124  (NaN differs from itself)
            break
        points.append((float(step), error))
    return points


def _positive(energies: Sequence[float], floor: float) -> list[tuple[float, float]]:
    """What logarithmic axes can show, without wave number 0; a NaN compares as nothing."""
    return [(float(k), energy) for k, energy in enumerate(energies) if k and energy > floor]
