"""PDEArena: the two-dimensional models of its registry, as operators of a comparison.

They are built as its ``get_model`` does, for one frame in and one out, every field a scalar.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from torch import nn

from wavelit_plugin.hosts.availability import lacking
from wavelit_plugin.hosts.layout import channels_to_frames, frames_to_channels
from wavelit_plugin.hosts.pdearena import HOSTS
from wavelit_plugin.plugins.types import GridTask, OperatorRecord
from wavelit_plugin.shapes import Field

ECOSYSTEM = "pdearena"

_REMEDY = "put the checkouts of PDEArena and cliffordlayers on PYTHONPATH, see docs/hosts.md"
# near what is best at about a million parameters after some hundred steps
_SPECTRAL_RATES = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)
_CONVOLUTIONAL_RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)


@dataclass(frozen=True, kw_only=True)
class Family:
    """What models of one kind have in common.

    Attributes:
        summary: one line for a list.
        multiple: of which every size has to be, by the number of halvings.
        least: the least size, for the modes.
        widths: step of the widths, for the groups of the norms.
        rates: learning rates.
        same: True where the host's model returns as many fields as it is given.
        fields: the number of fields, where the model is made for one.
    """

    summary: str
    multiple: int = 1
    least: int = 8
    widths: int = 1
    rates: tuple[float, ...] = _CONVOLUTIONAL_RATES
    same: bool = False
    fields: int | None = None


class OneFrame(nn.Module):
    """Serve (batch, channel, *space) by a model on (batch, frame, field, *space).

    Args:
        core: the host's model, for one frame in and one out.
    """

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, u: Field) -> Field:
        """Call with one frame, and return its one frame."""
        return frames_to_channels(self.core(channels_to_frames(u, 1)))


def _fourier(modes: int, summary: str) -> Family:
    # the host pads by 9 points
    return Family(summary=summary, least=2 * modes - 9, rates=_SPECTRAL_RATES)


def _fourier_unet(modes: int, levels: int, *, scaled: bool = True) -> Family:
    halved = [max(modes >> level, 4) if scaled else modes for level in range(levels)]
    return Family(
        summary=f"U-Net with {modes} Fourier modes in {levels} of its levels",
        multiple=8,
        least=max(2 * count << level for level, count in enumerate(halved)),
        widths=8,
    )


_UNO = Family(
    summary="U-shaped Fourier operator", multiple=4, least=56, widths=2, rates=_SPECTRAL_RATES
)
_UNET = Family(summary="modern U-Net", multiple=8, widths=8)
_UNET_2015 = Family(summary="U-Net of 2015", multiple=16, least=32, same=True)
_UNET_BASE = Family(summary="U-Net with group norm", multiple=16, least=32)
_RESNET = Family(summary="residual network at one resolution")
_DILATED = Family(summary="dilated residual network")
_CLIFFORD = Family(summary="U-Net in a Clifford algebra", multiple=8, fields=3)

FAMILIES: dict[str, Family] = {
    "FNO-128-8m": _fourier(8, "Fourier operator, 8 modes"),
    "FNO-128-16m": _fourier(16, "Fourier operator, 16 modes"),
    "FNOs-128-32m": _fourier(32, "shallow Fourier operator, 32 modes"),
    "FNOs-128-16m": _fourier(16, "shallow Fourier operator, 16 modes"),
    "FNOs-64-32m": _fourier(32, "shallow Fourier operator, 32 modes"),
    "FNOs-96-32m": _fourier(32, "shallow Fourier operator, 32 modes"),
    "UNO-64": _UNO,
    "UNO-128": _UNO,
    "Unet2015-64": _UNET_2015,
    "Unet2015-128": _UNET_2015,
    "Unetbase-64": _UNET_BASE,
    "Unetbase-128": _UNET_BASE,
    "Unetmod-64": _UNET,
    "Unetmodattn-64": _UNET,
    "Unetmod-64-1x1": _UNET,
    "Unetmodattn-64-1x1": _UNET,
    "U-FNet1-8m": _fourier_unet(8, 1),
    "U-FNet1-16m": _fourier_unet(16, 1),
    "U-FNet1-8m-1x1": _fourier_unet(8, 1),
    "U-FNet1-16m-1x1": _fourier_unet(16, 1),
    "U-FNet2-8m": _fourier_unet(8, 2),
    "U-FNet2-8m-1x1": _fourier_unet(8, 2),
    "U-FNet2-8mc": _fourier_unet(8, 2, scaled=False),
    "U-FNet2-16m": _fourier_unet(16, 2),
    "U-FNet2-16m-1x1": _fourier_unet(16, 2),
    "U-FNet3-8m": _fourier_unet(8, 3),
    "U-FNet3-8m-1x1": _fourier_unet(8, 3),
    "U-FNet3-16m": _fourier_unet(16, 3),
    "U-FNet3-16m-1x1": _fourier_unet(16, 3),
    "U-FNet2-16mc": _fourier_unet(16, 2, scaled=False),
    "U-FNet2attn-16m": _fourier_unet(16, 2),
    "U-FNet2attn-16m-1x1": _fourier_unet(16, 2),
    "ResNet-128": _RESNET,
    "ResNet-256": _RESNET,
    "DilResNet-128": _DILATED,
    "DilResNet-128-norm": _DILATED,
    "GCAFluidNet2d-32": _CLIFFORD,
}
"""The registry's names, all but the three-dimensional ones for Maxwell's equations."""


def _build(name: str, task: GridTask, width: int | None) -> nn.Module:
    entry = deepcopy(import_module("pdearena.models.registry").MODEL_REGISTRY[name])
    options = entry["init_args"] | _components(FAMILIES[name], task)
    if width is not None:
        options["hidden_channels"] = width
    module, _, kind = entry["class_path"].rpartition(".")
    return OneFrame(getattr(import_module(module), kind)(**options))


def _components(family: Family, task: GridTask) -> dict[str, Any]:
    if family.fields:
        return {"in_channels": 1, "out_channels": 1}  # counts frames, and knows its fields
    return {
        "n_input_scalar_components": task.in_channels,
        "n_output_scalar_components": task.out_channels,
        "n_input_vector_components": 0,
        "n_output_vector_components": 0,
        "time_history": 1,
        "time_future": 1,
        "activation": "gelu",
    }


def _widths(family: Family, _task: GridTask) -> Iterable[int]:
    return range(max(4, family.widths), 513, family.widths)


def _missing() -> str | None:
    return lacking(HOSTS[0], ["pdearena.version", "cliffordlayers.models"], remedy=_REMEDY)


def _takes(family: Family, task: GridTask) -> str | None:
    if task.ndim != 2:
        return "2-D only"
    return _wrong_size(family, task) or _wrong_fields(family, task)


def _wrong_size(family: Family, task: GridTask) -> str | None:
    if any(points % family.multiple for points in task.size):
        return f"sizes must be multiples of {family.multiple}"
    return f"sizes from {family.least}" if min(task.size) < family.least else None


def _wrong_fields(family: Family, task: GridTask) -> str | None:
    counts = {task.in_channels, task.out_channels}
    if family.fields and counts != {family.fields}:
        return f"{family.fields} inputs and outputs only, a scalar and a vector"
    return "as many outputs as inputs only" if family.same and len(counts) > 1 else None


OPERATORS: tuple[OperatorRecord, ...] = tuple(
    OperatorRecord(
        name=f"{ECOSYSTEM}/{name}",
        summary=family.summary,
        ecosystem=ECOSYSTEM,
        build=partial(_build, name),
        widths=partial(_widths, family),
        learning_rates=family.rates,
        missing=_missing,
        takes=partial(_takes, family),
    )
    for name, family in FAMILIES.items()
)
