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
        flat, _ = evaluate(_Normalise, x.flatten(1, -2), self.gain[scale], self.shift[scale])
        return flat.view(x.shape)


class _Normalise(torch.autograd.Function):
    """Of (batch, token, feature), and the inverse root mean squares as a second output.

    Keeps these and its input only.
    """

    @staticmethod
    def forward(x: Tensor, gain: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        inverse = _inverse_rms(x)
        return torch.addcmul(shift, x, inverse * gain), inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs[:2], output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, gain, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again, also by way of the inverse
            inverse = _inverse_rms(x)
        # whose backward is inside of autocast would have the products in half precision
        with torch.autocast(gradient.device.type, enabled=False):
            return _gradients(gradient, x, gain, inverse)


def _gradients(
    gradient: Tensor, x: Tensor, gain: Tensor, inverse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    inner = (gradient * x).sum(1)
    along = (inner @ gain).view_as(inverse) * inverse.pow(3)
    x_gradient = torch.addcmul(gradient * (inverse * gain), x, along, value=-1 / x[0].numel())
    return x_gradient, inverse.flatten() @ inner, gradient.sum((0, 1))


def _inverse_rms(x: Tensor) -> Tensor:
    # float32 whatever autocast says: a mean of squares over a whole grid
    flat = full_precision(x.flatten(1))
    mean_square = torch.linalg.vector_norm(flat, dim=1).square() / flat.shape[1]
    return torch.rsqrt(mean_square + _FLOOR).to(x.dtype).view(-1, *(1,) * (x.ndim - 1))
