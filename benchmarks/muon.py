"""Training by Muon, for the ablations: every comparison itself is by AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from wavelit_plugin.compare.training import DECAY, Optimizer, adamw

_LEAST_MATRIX = 16  # rows and columns that Muon is for


class MuonOptimizer(Optimizer):
    """Muon for the matrices, AdamW for the rest, at one learning rate.

    Muon steps along the orthogonal factor of its momentum (Jordan et al. 2024), here scaled to the
    size that a step of AdamW has.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        super().__init__(model, learning_rate)
        large = {id(w) for w in self.views if w.ndim == 2 and min(w.shape) >= _LEAST_MATRIX}
        matrices = [w for w in self.views if id(w) in large]
        others = [w for w in self.views if id(w) not in large]
        muon = torch.optim.Muon(
            matrices,
            lr=learning_rate,
            weight_decay=DECAY,
            adjust_lr_fn="match_rms_adamw",
        )
        self.optimizer = Both([muon, adamw(others, learning_rate)])


class Both:
    """Optimizers that step together."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """Step with each."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Those of all."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Give each its own."""
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
