"""Errors of predictions, one value per sample and channel."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.shapes import Field, check_field, check_same_shape, full_precision

_VARIANCE_FLOOR = 1e-7


def vrmse(prediction: Field, target: Field) -> Float[Tensor, "batch channel"]:
    """Root mean square error over the target's standard deviation in space, as The Well has it.

    ``sqrt(mean (prediction - target)^2 / (var(target) + 1e-7))`` with the unbiased variance over
    space; 1 is the error of predicting the mean. The gradient at zero error is zero.

    Raises:
        ShapeError: no fields (batch, channel, *space), or of different shapes.

    Source: Ohana et al., The Well (2024), doi:10.48550/arXiv.2412.00568, eq. 4.

    >>> u = torch.tensor([[[0.0, 2.0, 0.0, 2.0]]])
    >>> round(float(vrmse(u.mean() + 0 * u, u)), 3)  # unbiased: below 1 on a few points
    0.866
    """
    check_same_shape(prediction=prediction, target=target)
    check_field(target, name="target")
    prediction, target = full_precision(prediction), full_precision(target)
    residual, reference = (prediction - target).flatten(2), target.flatten(2)
    # a norm instead of sqrt(mean): its gradient is defined where prediction and target agree
    error = torch.linalg.vector_norm(residual, dim=2) / residual.shape[2] ** 0.5
    # by hand: torch's var warns where there is no channel, or one point
    centred = reference - reference.mean(dim=2, keepdim=True)
    variance = centred.square().sum(dim=2) / max(reference.shape[2] - 1, 1)
    return error / (variance + _VARIANCE_FLOOR).sqrt()


def relative_l2(prediction: Field, target: Field) -> Float[Tensor, " batch"]:
    """``||prediction - target|| / ||target||`` a sample, norms over channels and space.

    Raises:
        ShapeError: no fields (batch, channel, *space), or of different shapes.
    """
    check_same_shape(prediction=prediction, target=target)
    check_field(target, name="target")
    prediction, target = full_precision(prediction), full_precision(target)
    size = torch.linalg.vector_norm(target.flatten(1), dim=1)
    residual = torch.linalg.vector_norm((prediction - target).flatten(1), dim=1)
    return residual / size.clamp_min(torch.finfo(size.dtype).tiny)
