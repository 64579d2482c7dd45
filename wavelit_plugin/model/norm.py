"""Normalisation over space and features at once."""

from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.shapes import Tokens, full_precision
from wavelit_plugin.wavelets.writing import evaluate

_FLOOR = 1e-6


class GroupRMS(nn.Module):
    """Divide by one root mean square a sample, taken over the grid and the features.

    A norm per token would inflate quiet regions before a wave arrives; one number a sample keeps
    the relative amplitude across space. Gain and shift belong to the scale of the pyramid.
    """

    def __init__(self, width: int, scales: int = 1) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(scales, width))
        self.shift = nn.Parameter(torch.zeros(scales, width))

    def forward(self, x: Tokens, scale: int = 0) -> Tokens:
        """Normalise (batch, *grid, width) with the gain of one scale."""
        flat = evaluate(_Normalise, x.flatten(1, -2), self.gain[scale], self.shift[scale])
        return flat.view(x.shape)


class _Normalise(torch.autograd.Function):
    """Keeps its input only, and reads it once more on the way back."""

    @staticmethod
    def forward(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        return torch.addcmul(shift, x, _inverse_rms(x) * gain)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, gain = ctx.saved_tensors
        inverse = _inverse_rms(x)
        inner = (gradient * x).sum(1, keepdim=True)
        along = (inner * gain).sum(-1, keepdim=True) * inverse.pow(3) / x[0].numel()
        x_gradient = torch.addcmul(gradient * (inverse * gain), x, along, value=-1)
        return x_gradient, (inner * inverse).sum((0, 1)), gradient.sum((0, 1))


def _inverse_rms(x: Tensor) -> Tensor:
    # float32 whatever autocast says: a mean of squares over a whole grid
    flat = full_precision(x.flatten(1))
    mean_square = torch.linalg.vector_norm(flat, dim=1).square() / flat.shape[1]
    return torch.rsqrt(mean_square + _FLOOR).to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
