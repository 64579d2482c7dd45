"""A model and a criterion for every host that wavelit knows."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from wavelit_plugin import WaveLiT, WaveLiTConfig
from wavelit_plugin.errors import unknown_name

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
