"""Samples: what is true, what each operator predicts, and where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wavelit_plugin.compare.figure import error_scale, field_scale
from wavelit_plugin.compare.report.canvas import Picture, drawing_style
from wavelit_plugin.compare.report.numbers import error_text
from wavelit_plugin.compare.report.panels import Panels, cut
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.sentences import PERSISTENCE
from wavelit_plugin.compare.report.strips import Scale, Strip, strips_figure
from wavelit_plugin.metrics import vrmse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_OPERATORS, _MOST_FIELDS = 6, 2


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """One field of the samples of some operators."""

    field: str
    channel: int
    truth: Panels
    samples: Mapping[str, Mapping[str, Any]]

    @property
    def first(self) -> Mapping[str, Any]:
        """The sample that the truth was taken from; all have the same."""
        return next(iter(self.samples.values()))

    @property
    def static(self) -> bool:
        """Whether there is an input and no time."""
        return "input" in self.first


def frame_pictures(scene: Scene) -> list[Picture]:
    """Return two pictures a field, predictions and errors, for the first fields."""
    samples = _chosen(scene)
    if not samples:
        return []
    first = next(iter(samples.values()))
    shown = [
        _Shown(field=field, channel=c, truth=cut(first, "truth", c), samples=samples)
        for c, field in enumerate(first["fields"][:_MOST_FIELDS])
    ]
    with drawing_style():
        return [picture for part in shown for picture in _pictures(scene, part)]


def _chosen(scene: Scene) -> Mapping[str, Mapping[str, Any]]:
    """The best, and ours; what predicts no change shows nothing."""
    rows = [row for row in scene.order if row.operator != PERSISTENCE]
    there = [row.label for row in rows if row.label in scene.samples]
    ours = [label for label in there if scene.looks[label].bold][:_MOST_OPERATORS]
    others = [label for label in there if label not in ours][: _MOST_OPERATORS - len(ours)]
    return {label: scene.samples[label] for label in there if label in {*ours, *others}}


def _pictures(scene: Scene, shown: _Shown) -> tuple[Picture, Picture]:
    slug = "".join(letter if letter.isalnum() else "-" for letter in shown.field)
    what = "" if shown.static else ", rolled out from the first frame"
    return (
        Picture(
            name=f"frames-{slug}",
            title=f"{shown.field}: truth and predictions",
            caption=f"One test sample{what}, seed 0. All panels share the colours of the bar.",
            figure=_predictions(scene, shown),
        ),
        Picture(
            name=f"errors-{slug}",
            title=f"{shown.field}: where the predictions are wrong",
            caption="Absolute difference from the truth, brighter is worse, one scale for all "
            f"operators of a column; numbers are the VRMSE of the panel. {_first_row(shown)}",
            figure=_errors(scene, shown),
        ),
    )


def _first_row(shown: _Shown) -> str:
    if shown.static:
        return "The first row is the input."
    return "The first row is the truth."


def _predictions(scene: Scene, shown: _Shown) -> Figure:
    truth = shown.truth
    strips = [Strip(name="truth", planes=truth.planes, notes=truth.titles)]
    strips += [
        _strip(scene, label, cut(sample, "prediction", shown.channel).planes)
        for label, sample in shown.samples.items()
    ]
    return strips_figure(strips, [_scale(truth.planes)], label=shown.field, stretch=truth.stretch)


def _errors(scene: Scene, shown: _Shown) -> Figure:
    truth = shown.truth.planes
    strips = []
    for label, sample in shown.samples.items():
        planes = cut(sample, "prediction", shown.channel).planes
        strips.append(_strip(scene, label, _misses(planes, truth), _scores(planes, truth)))
    columns = zip(*(strip.planes for strip in strips), strict=True)
    scales = [("magma", 0.0, error_scale(column)) for column in columns]
    label = f"|error| of {shown.field}, each column with a scale of its own"
    return strips_figure(
        [_reference(shown), *strips], scales, label=label, stretch=shown.truth.stretch
    )


def _reference(shown: _Shown) -> Strip:
    """What the errors are seen against: the input, or the truth where the input is one too."""
    if shown.static:
        inputs = cut(shown.first, "input", 0)
        name = f"input: {shown.first['inputs'][0]}"
        return Strip(
            name=name,
            planes=inputs.planes,
            notes=("",) * len(inputs.planes),
            scale=_scale(inputs.planes),
        )
    truth = shown.truth
    return Strip(name="truth", planes=truth.planes, notes=truth.titles, scale=_scale(truth.planes))


def _scale(planes: Sequence[Tensor]) -> Scale:
    return field_scale(torch.cat([plane.flatten() for plane in planes]))


def _strip(
    scene: Scene, label: str, planes: Sequence[Tensor], notes: Sequence[str] | None = None
) -> Strip:
    look = scene.looks[label]
    return Strip(
        name=scene.shortened[label],
        planes=tuple(planes),
        notes=tuple(notes or [""] * len(planes)),
        colour=look.colour,
        bold=look.bold,
    )


def _misses(planes: Sequence[Tensor], truth: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple((u - v).abs() for u, v in zip(planes, truth, strict=True))


def _scores(planes: Sequence[Tensor], truth: Sequence[Tensor]) -> tuple[str, ...]:
    pairs = zip(planes, truth, strict=True)
    return tuple(error_text(float(vrmse(u[None, None], v[None, None]))) for u, v in pairs)
