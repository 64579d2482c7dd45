"""Models as operators of a comparison: ours, which know their task, and those of plugins."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

from torch import Tensor, nn

from wavelit_plugin.model import PRESETS, ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.model.monitor import SAMPLES
from wavelit_plugin.plugins.types import GridTask, ModelRecord, OperatorRecord

# features of an attention head, as in the presets
_FEATURES = 48
_RATES = (1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2)


def preset_operator(name: str, summary: str) -> OperatorRecord:
    """Return the operator of one of our presets, which is told boundaries and fields."""
    return OperatorRecord(
        name=name,
        summary=summary,
        ecosystem="wavelit",
        build=partial(_preset, name),
        widths=_widths,
        learning_rates=_RATES,
        fit=_fit_statistics,
    )


def model_operator(record: ModelRecord, ecosystem: str) -> OperatorRecord:
    """Return the operator of any plugin's model, which is told channels and axes only."""
    return OperatorRecord(
        name=record.name,
        summary=record.summary,
        ecosystem=ecosystem,
        build=partial(_model, record),
        learning_rates=_RATES,
        fit=_fit_statistics,
    )


def heads_of(width: int) -> int:
    """Return the number of heads for a width: that with about 48 features each.

    >>> [heads_of(width) for width in (12, 48, 132, 200, 336)]
    [1, 1, 3, 4, 7]
    """
    possible = [heads for heads in range(1, width // 2 + 1) if width % (2 * heads) == 0]
    return min(possible, key=lambda heads: abs(math.log(width / heads / _FEATURES)))


def _preset(name: str, task: GridTask, width: int | None) -> WaveLiT:
    fields = task.out_channels if task.continues else 0
    names = task.fields if task.continues else ()
    layout = ChannelLayout(fields=fields, constants=task.in_channels - fields, names=names)
    sized = {} if width is None else {"width": width, "heads": heads_of(width)}
    config = WaveLiTConfig.preset(
        name,
        **sized,
        in_channels=task.in_channels,
        out_channels=task.out_channels,
        ndim=task.ndim,
        boundary=task.boundary,
        layout=layout,
        # which also tells a change from a state
        residual="auto" if task.continues else "off",
    )
    return WaveLiT(config)


def _widths(_task: GridTask) -> Iterable[int]:
    widths = range(8, 1201, 8)
    # others have no divisor near: 41 * 8 would get heads of 82 features
    return [width for width in widths if width < _FEATURES or 36 <= width / heads_of(width) <= 64]


def _fit_statistics(module: nn.Module, x: Tensor, y: Tensor) -> None:
    """Let a model that measures scales do so, on as many samples as it would see in training."""
    measure = getattr(module, "fit_statistics", None)
    if callable(measure):
        step = max(1, len(x) // SAMPLES)
        measure(zip(x[::step].split(8), y[::step].split(8), strict=True))


def _model(record: ModelRecord, task: GridTask, _width: int | None) -> nn.Module:
    return record.build(
        in_channels=task.in_channels, out_channels=task.out_channels, ndim=task.ndim
    )


def preset_operators() -> list[OperatorRecord]:
    """Return one operator a preset."""
    return [preset_operator(name, preset_summary(name)) for name in PRESETS]


def preset_summary(name: str) -> str:
    """Return one line that says what a preset is."""
    knobs = ", ".join(f"{knob} {value}" for knob, value in PRESETS[name].items())
    return f"wavelet neural PDE solver: {knobs}"
