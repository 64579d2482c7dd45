"""Pictures of fields: truth, roll-out and where it is wrong at three steps."""

from __future__ import annotations

import torch
from torch import Tensor

from wavelit_plugin.compare.evaluation.shown import Shown
from wavelit_plugin.compare.figure import error_scale, field_scale
from wavelit_plugin.compare.report.canvas import Picture, drawing_style
from wavelit_plugin.compare.report.numbers import error_text
from wavelit_plugin.compare.report.palette import LIGHT
from wavelit_plugin.compare.report.strips import Scale, Strip, strips_figure
from wavelit_plugin.metrics import vrmse


def frame_pictures(shown: Shown) -> tuple[Picture, ...]:
    """Return two pictures of each field: the fields, and the errors."""
    return tuple(
        picture
        for number, name in enumerate(shown.fields)
        for picture in _pictures(shown, number, name)
    )


def shown_steps(steps: int) -> tuple[int, ...]:
    """Return the first, a middle and the last step, from 0.

    >>> shown_steps(9), shown_steps(2)
    ((0, 4, 8), (0, 1))
    """
    return tuple(sorted({0, (steps - 1) // 2, steps - 1}))


def _pictures(shown: Shown, number: int, name: str) -> tuple[Picture, Picture]:
    steps = (0,) if shown.flat else shown_steps(len(shown.truth))
    titles = ("space by time",) if shown.flat else tuple(f"step {step + 1}" for step in steps)
    truth = tuple(shown.plane(shown.truth, step, number) for step in steps)
    rolled = tuple(shown.plane(shown.prediction, step, number) for step in steps)
    scale: Scale = field_scale(torch.cat([plane.flatten() for plane in truth]))
    slug = "".join(letter if letter.isalnum() else "-" for letter in name)
    reference = Strip(name="truth", planes=truth, notes=titles)
    with drawing_style():
        fields = strips_figure(
            [reference, _ours("roll-out", rolled, ("",) * len(steps))],
            [scale],
            label=name,
            stretch=shown.flat,
        )
        misses = tuple((u - v).abs() for u, v in zip(rolled, truth, strict=True))
        errors = strips_figure(
            [
                Strip(name="truth", planes=truth, notes=titles, scale=scale),
                _ours("|error|", misses, tuple(map(_score, rolled, truth))),
            ],
            [("magma", 0.0, error_scale([miss])) for miss in misses],
            label=f"|error| of {name}, each column with a scale of its own",
            stretch=shown.flat,
        )
    return (
        Picture(
            name=f"frames-{slug}",
            title=f"{name}: truth and roll-out",
            caption="The first test trajectory. All panels share the colours of the bar.",
            figure=fields,
        ),
        Picture(
            name=f"errors-{slug}",
            title=f"{name}: where the roll-out is wrong",
            caption="Absolute difference from the truth, brighter is worse; numbers are the VRMSE "
            "of the panel. The first row is the truth.",
            figure=errors,
        ),
    )


def _ours(name: str, planes: tuple[Tensor, ...], notes: tuple[str, ...]) -> Strip:
    return Strip(name=name, planes=planes, notes=notes, colour=LIGHT["accent"], bold=True)


def _score(plane: Tensor, truth: Tensor) -> str:
    return error_text(float(vrmse(plane[None, None], truth[None, None])))
