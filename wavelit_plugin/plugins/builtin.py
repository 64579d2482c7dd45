"""What this package itself provides, through the hooks that others use too."""

from __future__ import annotations

from functools import partial

from torch import nn

from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import PRESETS, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.baselines import BASELINES
from wavelit_plugin.plugins.checkpoints import WAVELIT, Format
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord, ModelRecord, OperatorRecord
from wavelit_plugin.plugins.wavelit_operators import preset_operators, preset_summary


@hookimpl
def wavelit_models() -> list[ModelRecord]:
    """One model a preset."""
    return [
        ModelRecord(name=name, build=partial(_preset, name), summary=preset_summary(name))
        for name in PRESETS
    ]


@hookimpl
def wavelit_criteria() -> list[CriterionRecord]:
    """The wavelet-domain loss."""
    summary = "wavelet-domain loss beside a base loss, VRMSE unless the host has one"
    term = partial(WaveletLoss, base=None, boundary="open")
    return [CriterionRecord(name="wavelet", build=WaveletLoss, summary=summary, term=term)]


@hookimpl
def wavelit_checkpoints() -> list[Format]:
    """Our own files."""
    return [WAVELIT]


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """Our presets, and the baselines."""
    return [*preset_operators(), *BASELINES]


def _preset(name: str, *, in_channels: int, out_channels: int, **knobs: object) -> nn.Module:
    sizes = {"in_channels": in_channels, "out_channels": out_channels}
    return WaveLiT(WaveLiTConfig.preset(name, **sizes, **knobs))  # type: ignore[arg-type]
