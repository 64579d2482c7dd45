"""What this package gives to wavelit: records, returned by the hooks that wavelit calls."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from wavelit_hello_trainer.operators import LINEAR
from wavelit_plugin import WaveLiT, WaveLiTConfig
from wavelit_plugin.errors import unknown_name
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord, HostRecord, ModelRecord, OperatorRecord

HOST = HostRecord(
    host="hello_trainer",
    distribution="hello-trainer",
    versions=">=1,<2",
    watched="hello_trainer.registry",
    adapter="wavelit_hello_trainer.adapter:register",
)

TINY = {"width": 16, "depth": 2, "heads": 1, "levels": 2, "residual": "on"}


class MeanAbsoluteError(nn.Module):
    """Absolute error of (batch, channel, *space), averaged over all but the batch.

    Args:
        reduction: ``mean`` or ``sum`` over the batch.

    Raises:
        ConfigError: another reduction.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in {"mean", "sum"}:
            raise unknown_name("reduction", reduction, ("mean", "sum"))
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss, 0 for no channel at all."""
        errors = (prediction - target).abs().flatten(1)
        per_sample = errors.sum(dim=1) / max(errors.shape[1], 1)
        return per_sample.sum() if self.reduction == "sum" else per_sample.mean()


def build_tiny(*, in_channels: int, out_channels: int, **knobs: Any) -> nn.Module:
    """Return a small WaveLiT that predicts the change of its fields; ``ndim`` is a knob too."""
    sizes = {"in_channels": in_channels, "out_channels": out_channels}
    return WaveLiT(WaveLiTConfig.from_dict({**sizes, **TINY, **knobs}))


@hookimpl
def wavelit_hosts() -> list[HostRecord]:
    """One trainer."""
    return [HOST]


@hookimpl
def wavelit_models() -> list[ModelRecord]:
    """One model."""
    return [ModelRecord(name="waveliT-tiny", build=build_tiny, summary="WaveLiT for first tries")]


@hookimpl
def wavelit_criteria() -> list[CriterionRecord]:
    """One criterion."""
    return [CriterionRecord(name="l1", build=MeanAbsoluteError, summary="mean absolute error")]


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """One operator; the model above is one too, without being named here."""
    return [LINEAR]
