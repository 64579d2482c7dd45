"""One optimizer step of a comparison: AdamW on clipped gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.shapes import Field

CLIP, DECAY, BETAS = 1.0, 1e-4, (0.9, 0.999)


class Stepping(Protocol):
    """What is asked of an optimizer."""

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups, whose ``lr`` is set before each step."""

    def step(self) -> object:
        """Move the weights by their gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Return what ``load_state_dict`` goes on from."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""


def adamw(weights: Sequence[Tensor], learning_rate: float) -> torch.optim.AdamW:
    """Return the optimizer of every comparison."""
    fused = weights[0].device.type in {"cpu", "cuda"}
    return torch.optim.AdamW(
        weights, lr=learning_rate, betas=BETAS, weight_decay=DECAY, fused=fused
    )


class Descent:
    """One optimizer step. Complex parameters are trained as pairs of real numbers.

    torch does the same inside AdamW, but its fused form and the norm of gradients are then several
    times slower.
    """

    def __init__(self, model: nn.Module, learning_rate: float) -> None:
        self.model, self.rate = model, learning_rate
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.views = [torch.view_as_real(p.detach()) if p.is_complex() else p for p in self.trained]
        self.optimizer: Stepping = adamw(self.views, learning_rate)

    def __call__(self, x: Field, y: Field, loss: Loss, factor: float) -> tuple[Tensor, Field]:
        """Return the loss before the step, and the answer to ``x`` that it is of."""
        self.begin(factor)
        answer = self.model(x)
        value = loss(answer, y)
        self.follow(value)
        return value.detach(), answer.detach()

    def begin(self, factor: float) -> None:
        """Set the share of the learning rate, and forget the gradients of the last step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * factor
        self.model.zero_grad(set_to_none=True)

    def follow(self, loss: Tensor) -> None:
        """Step down the gradient of a loss. Weights that it does not depend on stay as they are."""
        loss.backward()
        for parameter, view in zip(self.trained, self.views, strict=True):
            if parameter.is_complex():
                gradient = parameter.grad
                view.grad = None if gradient is None else torch.view_as_real(gradient)
        nn.utils.clip_grad_norm_(self.views, CLIP)
        self.optimizer.step()
