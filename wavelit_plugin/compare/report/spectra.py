"""At which wave numbers predictions are right, and what they lose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wavelit_plugin.compare.report.canvas import (
    Picture,
    Tag,
    drawing_style,
    name_ends,
    new_figure,
)
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.wave_numbers import (
    FLOOR,
    Points,
    draw_truth,
    set_wave_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ENERGY = (
    "Energy of the {}predictions by wave number, mean over normalised fields, seed 0; the "
    "thick grey line is the truth. A line below it has lost detail, one above it has added noise."
)
_ERROR = (
    "Energy of the error over energy of the truth at each wave number, {}predictions, seed "
    "0. Lower is better; at 1 nothing of that scale is predicted."
)


def spectrum_pictures(scene: Scene) -> list[Picture]:
    """Return energy and relative error by wave number, where spectra were measured."""
    spectra = {row.label: row.runs[0].metrics["spectrum"] for row in scene.order}
    found = {label: spectrum for label, spectrum in spectra.items() if spectrum is not None}
    if not found:
        return []
    truth = _points(next(iter(found.values())), "truth")
    energy = {label: _points(spectrum, "prediction") for label, spectrum in found.items()}
    error = {label: _relative_error(spectrum) for label, spectrum in found.items()}
    drawn = (
        ("spectrum-energy", "Energy by wave number", _ENERGY, energy, truth),
        ("spectrum-error", "Error by wave number", _ERROR, error, ()),
    )
    return [
        _picture(scene, name, title, caption, lines, truth=reference)
        for name, title, caption, lines, reference in drawn
        if any(lines.values())
    ]


def _picture(
    scene: Scene,
    name: str,
    title: str,
    caption: str,
    lines: Mapping[str, Points],
    *,
    truth: Points,
) -> Picture:
    step = "" if scene.static else "one-step "
    with drawing_style():
        figure, ax = new_figure(max(290.0, 60 + 18.0 * len(lines)))
        of = "energy" if truth else "error energy / energy of the truth"
        set_wave_axes(ax, [*lines.values(), truth], of=of)
        if truth:
            draw_truth(ax, truth)
        name_ends(ax, [_draw(ax, line, label, scene) for label, line in lines.items() if line])
    return Picture(name=name, title=title, caption=caption.format(step), figure=figure)


def _draw(ax: Axes, line: Points, label: str, scene: Scene) -> Tag:
    look = scene.looks[label]
    ax.plot([x for x, _ in line], [y for _, y in line], zorder=4 if look.bold else 3, **look.line)
    x, y = line[-1]
    return Tag(text=scene.shortened[label], x=x, y=y, colour=look.colour, bold=look.bold)


def _points(spectrum: Mapping[str, Any], name: str) -> Points:
    """What can be shown on logarithmic axes: the mean of the field, wave number 0, cannot."""
    pairs = zip(spectrum["wavenumber"], spectrum[name], strict=True)
    return [(x, y) for x, y in pairs if x > 0 and y]


def _relative_error(spectrum: Mapping[str, Any]) -> Points:
    truth = dict(_points(spectrum, "truth"))
    least = FLOOR * max(truth.values(), default=0.0)
    errors = _points(spectrum, "error")
    return [(x, y / truth[x]) for x, y in errors if truth.get(x, 0.0) > least]
