"""Errors of predictions, against numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.metrics import relative_l2, vrmse

SPACES = [(9,), (4, 7), (3, 4, 5)]


def pair(space: tuple[int, ...], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    prediction, target = torch.randn(2, 3, 2, *space, dtype=torch.float64, generator=rng)
    return 5 * prediction - 1, 0.01 * target + 7


@pytest.mark.parametrize("space", SPACES)
def test_vrmse_equals_its_definition(space: tuple[int, ...], rng: torch.Generator) -> None:
    prediction, target = pair(space, rng)
    p, t = (u.numpy().reshape(3, 2, -1) for u in (prediction, target))
    expected = np.sqrt(((p - t) ** 2).mean(-1) / (t.var(-1, ddof=1) + 1e-7))
    assert_close(vrmse(prediction, target), torch.from_numpy(expected))


@pytest.mark.parametrize("space", SPACES)
def test_relative_l2_equals_its_definition(space: tuple[int, ...], rng: torch.Generator) -> None:
    prediction, target = pair(space, rng)
    p, t = (u.numpy().reshape(3, -1) for u in (prediction, target))
    expected = np.sqrt(((p - t) ** 2).sum(-1) / (t**2).sum(-1))
    assert_close(relative_l2(prediction, target), torch.from_numpy(expected))


@pytest.mark.parametrize("metric", [vrmse, relative_l2])
def test_the_gradient_at_zero_error_is_zero(
    metric: Callable[[Tensor, Tensor], Tensor], rng: torch.Generator
) -> None:
    target = pair((4, 7), rng)[1]
    prediction = target.clone().requires_grad_()
    metric(prediction, target).sum().backward()
    assert prediction.grad is not None
    assert_close(prediction.grad, torch.zeros_like(target), rtol=0.0, atol=0.0)


def test_constant_and_zero_targets_give_finite_errors() -> None:
    zero, one = torch.zeros(1, 1, 4), torch.ones(1, 1, 4)
    assert_close(vrmse(one, zero), torch.full((1, 1), 1e-7).rsqrt())
    assert_close(relative_l2(zero, zero), torch.zeros(1))
    assert_close(vrmse(one[..., :1], zero[..., :1]), torch.full((1, 1), 1e-7).rsqrt())


def test_no_channel_at_all_has_no_error() -> None:
    nothing = torch.zeros(3, 0, 4)
    assert vrmse(nothing, nothing).shape == (3, 0)
    assert_close(relative_l2(nothing, nothing), torch.zeros(3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_fields_are_compared_in_float32(
    dtype: torch.dtype, rng: torch.Generator
) -> None:
    prediction, target = (u.to(dtype) for u in pair((4, 7), rng))
    for metric in (vrmse, relative_l2):
        expected = metric(prediction.float(), target.float())
        assert_close(metric(prediction, target), expected, rtol=0.0, atol=0.0)


@pytest.mark.usefixtures("without_shape_check")
def test_nothing_is_broadcast() -> None:
    for metric in (vrmse, relative_l2):
        with pytest.raises(ShapeError, match="expected equal shapes"):
            metric(torch.zeros(2, 1, 4), torch.zeros(1, 1, 4))


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("metric", [vrmse, relative_l2])
@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (np.zeros((2, 1, 4)), torch.zeros(2, 1, 4), "prediction must be a torch tensor, got a num"),
        (torch.zeros(2, 1, 4), [[[0.0] * 4]] * 2, "target must be a torch tensor, got list"),
        (torch.zeros(2, 4), torch.zeros(2, 4), r"1-3 space axes, got shape \(2, 4\)"),
        (torch.zeros(2, 1, 0), torch.zeros(2, 1, 0), "at least one point"),
        (torch.zeros(2, 1, 4).int(), torch.zeros(2, 1, 4), "prediction must have a floating dtype"),
        (torch.zeros(2, 1, 4), torch.zeros(2, 1, 4, device="meta"), "tensors on one device"),
    ],
)
def test_what_are_no_two_fields_is_refused(
    metric: Callable[..., Tensor], prediction: Any, target: Any, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        metric(prediction, target)


def test_the_dtypes_may_differ(rng: torch.Generator) -> None:
    prediction, target = pair((4, 7), rng)
    for metric in (vrmse, relative_l2):
        expected = metric(prediction.half().double(), target)
        assert_close(metric(prediction.half(), target), expected, rtol=1e-6, atol=0.0)
