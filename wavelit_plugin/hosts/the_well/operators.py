"""The Well 1.2: the models of its benchmark, as operators of a comparison.

They are built as its ``train.py`` does, with the options of its configurations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module

from torch import nn

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.hosts.availability import lacking
from wavelit_plugin.hosts.the_well import HOSTS
from wavelit_plugin.plugins.types import GridTask, OperatorRecord
from wavelit_plugin.shapes import Field

ECOSYSTEM = "the_well"

# two of the models are neuraloperator's, and written against its older interface
_WITH_SPECTRAL = replace(HOSTS[0], needs=(("neuraloperator", ">=0.3,<1"),))
_MODULES = ("the_well", "neuralop", "timm")
_REMEDY = (
    "install the-well[benchmark], with the torchvision that goes with the installed torch, in an "
    "environment of its own"
)
# near what is best at about a million parameters after some hundred steps
_RATES = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)


class ChannelsLast(nn.Module):
    """Serve (batch, channel, *space) by a model on (batch, *space, channel).

    Args:
        core: the host's model.
    """

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core

    def forward(self, u: Field) -> Field:
        """Move the channels to the end, and those of the result back."""
        result: Field = self.core(u.movedim(1, -1)).movedim(-1, 1)
        return result


@dataclass(frozen=True, kw_only=True)
class Model:
    """One of the benchmark's models.

    Attributes:
        summary: one line for a list.
        width: the argument that is its width.
        native: the benchmark's width.
        widths: those that may be asked for.
        options: further arguments, as the benchmark gives them.
        axes: numbers of space axes that it takes.
        multiple: of which every size has to be.
        channels_last: True where its batches are (batch, *space, channel).
        spectral: True where it is neuraloperator's, and needs modes.
    """

    summary: str
    width: str
    native: int
    widths: range
    options: Mapping[str, object] = field(default_factory=dict)
    axes: tuple[int, ...] = (2, 3)
    multiple: int = 1
    channels_last: bool = False
    spectral: bool = False


_FOURIER: Callable[..., Model] = partial(
    Model, width="hidden_channels", native=128, widths=range(4, 513), spectral=True
)

MODELS: Mapping[str, Model] = {
    "FNO": _FOURIER(summary="Fourier neural operator"),
    "TFNO": _FOURIER(summary="FNO with Tucker-factorised weights"),
    "UNetClassic": Model(
        summary="U-Net of 2015",
        width="init_features",
        native=48,
        widths=range(2, 257),
        axes=(1, 2, 3),
        multiple=16,
    ),
    "UNetConvNext": Model(
        summary="U-Net of ConvNeXt blocks",
        width="init_features",
        native=42,
        widths=range(2, 257),
        options={"blocks_per_stage": 2},
        multiple=16,
    ),
    "DilatedResNet": Model(
        summary="dilated residual network",
        width="hidden_dim",
        native=48,
        widths=range(4, 513),
        options={"blocks": 4},
        axes=(1, 2, 3),
    ),
    "ReFNO": Model(
        summary="FNO with filters that depend on the input",
        width="hidden_dim",
        native=64,
        widths=range(4, 513),
        options={"ratio": 0.8},
        multiple=2,
        channels_last=True,
    ),
    "AViT": Model(
        summary="axial attention on patches of 16 points",
        width="hidden_dim",
        native=384,
        widths=range(48, 769, 48),
        options={"num_heads": 6},
        multiple=16,
        channels_last=True,
    ),
    "AFNO": Model(
        summary="adaptive FNO on patches of 8 points",
        width="hidden_dim",
        native=384,
        widths=range(8, 769, 8),
        options={"n_blocks": 14},
        multiple=8,
        channels_last=True,
    ),
}
"""All that ``the_well.benchmark.models`` exports."""


def _build(name: str, task: GridTask, width: int | None) -> nn.Module:
    model, kind = MODELS[name], getattr(import_module("the_well.benchmark.models"), name)
    core: nn.Module = kind(
        dim_in=task.in_channels,
        dim_out=task.out_channels,
        n_spatial_dims=task.ndim,
        spatial_resolution=task.size,
        **{model.width: width or model.native},
        **(_modes(task) if model.spectral else {}),
        **model.options,
    )
    return ChannelsLast(core) if model.channels_last else core


def _modes(task: GridTask) -> dict[str, int]:
    most = 16 if task.ndim == 2 else 8
    return {f"modes{axis}": min(most, points // 2) for axis, points in enumerate(task.size, 1)}


def _widths(model: Model, _task: GridTask) -> Iterable[int]:
    return model.widths


def _missing(host: HostRecord) -> str | None:
    return lacking(host, _MODULES, remedy=_REMEDY)


def _takes(model: Model, task: GridTask) -> str | None:
    if task.ndim not in model.axes:
        return f"{' and '.join(f'{axes}-D' for axes in model.axes)} only"
    if any(points % model.multiple for points in task.size):
        return f"sizes must be multiples of {model.multiple}"
    return None


OPERATORS: tuple[OperatorRecord, ...] = tuple(
    OperatorRecord(
        name=f"{ECOSYSTEM}/{name}",
        summary=model.summary,
        ecosystem=ECOSYSTEM,
        build=partial(_build, name),
        widths=partial(_widths, model),
        learning_rates=_RATES,
        missing=partial(_missing, _WITH_SPECTRAL if model.spectral else HOSTS[0]),
        takes=partial(_takes, model),
    )
    for name, model in MODELS.items()
)
