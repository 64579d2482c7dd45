"""What this package itself provides, through the hooks that others use too.

Importing it loads no model: a hook is also asked where nothing is to be computed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord, ModelRecord, OperatorRecord

if TYPE_CHECKING:
    from torch import nn

    from wavelit_plugin.plugins.checkpoints import Format


@hookimpl
def wavelit_models() -> list[ModelRecord]:
    """One model a preset."""
    from wavelit_plugin.model import PRESETS
    from wavelit_plugin.plugins.wavelit_operators import preset_summary

    return [
        ModelRecord(name=name, build=partial(_preset, name), summary=preset_summary(name))
        for name in PRESETS
    ]


@hookimpl
def wavelit_criteria() -> list[CriterionRecord]:
    """The wavelet-domain loss."""
    from wavelit_plugin.loss import WaveletLoss

    summary = "wavelet-domain loss beside a base loss, VRMSE unless the host has one"
    term = partial(WaveletLoss, base=None, boundary="open")
    return [CriterionRecord(name="wavelet", build=WaveletLoss, summary=summary, term=term)]


@hookimpl
def wavelit_checkpoints() -> list[Format]:
    """Our own files."""
    from wavelit_plugin.plugins.checkpoints import WAVELIT

    return [WAVELIT]


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """Our presets, and the baselines."""
    from wavelit_plugin.plugins.baselines import BASELINES
    from wavelit_plugin.plugins.wavelit_operators import preset_operators

    return [*preset_operators(), *BASELINES]


def _preset(name: str, *, in_channels: int, out_channels: int, **knobs: object) -> nn.Module:
    from wavelit_plugin.model import WaveLiT, WaveLiTConfig

    sizes = {"in_channels": in_channels, "out_channels": out_channels}
    return WaveLiT(WaveLiTConfig.preset(name, **sizes, **knobs))  # type: ignore[arg-type]
