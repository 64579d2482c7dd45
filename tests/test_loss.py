"""The wavelet-domain loss: what it equals, what it weighs, and what it does not depend on.

The reference for the whole formula is PyWavelets in numpy.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._pytree import tree_map

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.loss import WaveletLoss, wavelet_loss
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.wavelets import dwt, idwt

SPACES = [(16,), (8, 12), (4, 8, 4)]
ODD = [(13,), (7, 10), (3, 5, 2)]


def pair(space: tuple[int, ...], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Prediction and target of two channels that differ in size, with their means."""
    size = torch.tensor([1.0, 30.0], dtype=torch.float64).view(1, 2, *(1,) * len(space))
    prediction, target = torch.randn(2, 3, 2, *space, dtype=torch.float64, generator=rng)
    return size * (prediction + 2), size * (target.cumsum(-1) + 5)


def by_pywavelets(
    prediction: Tensor, target: Tensor, *, exponent: float, whitening: float, all_high: float = 0.5
) -> Tensor:
    """L = 1/N sum_b omega_b sum |e_b|^p / s_b^p, (batch, channel), two Haar levels."""
    axes = tuple(range(2, target.ndim))

    def bands(u: np.ndarray) -> list[tuple[float, np.ndarray]]:
        low, *details = pywt.wavedecn(u, "haar", mode="periodization", level=2, axes=axes)
        named = [("a", low), *((key, level[key]) for level in details for key in level)]
        return [(all_high if set(key) == {"d"} else 1.0, band) for key, band in named]

    update = (target - target.mean(dim=(0, *axes), keepdim=True)).numpy()
    sigma = np.sqrt((update**2).mean(axis=(0, *axes), keepdims=True))
    total, count = np.zeros(target.shape[:2]), 0
    for (omega, error), (_, known) in zip(
        bands((prediction - target).numpy()), bands(update), strict=True
    ):
        own = np.maximum(np.sqrt((known**2).mean(axis=(0, *axes), keepdims=True)), 0.02 * sigma)
        scale = own**whitening * sigma ** (1 - whitening)
        total += omega * (np.abs(error / scale) ** exponent).sum(axis=axes)
        count += error[0, 0].size
    return torch.from_numpy(total / count)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("exponent", "whitening"), [(1.0, 0.5), (2.0, 1.0), (1.5, 0.0)])
def test_the_loss_equals_its_formula_on_the_bands_of_pywavelets(
    exponent: float, whitening: float, space: tuple[int, ...], rng: torch.Generator
) -> None:
    prediction, target = pair(space, rng)
    actual = wavelet_loss(prediction, target, exponent=exponent, whitening=whitening)
    expected = by_pywavelets(prediction, target, exponent=exponent, whitening=whitening)
    assert_close(actual, expected)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 1), ("haar", 2), ("db2", 2)])
def test_with_equal_weights_it_is_the_mean_squared_error(
    wavelet: str, levels: int, space: tuple[int, ...], rng: torch.Generator
) -> None:
    """Parseval: p = 2, gamma = 0, omega = 1, nothing divided."""
    prediction, target = pair(space, rng)
    actual = wavelet_loss(
        *(prediction, target),
        wavelet=wavelet,
        levels=levels,
        exponent=2.0,
        all_high=1.0,
        normalize=False,
    )
    expected = (prediction - target).square().flatten(2).mean(-1)
    assert_close(actual, expected, rtol=1e-10, atol=0.0)  # db2 is orthonormal to 1e-12


@pytest.mark.parametrize("space", SPACES)
def test_without_whitening_it_is_the_mean_squared_error_over_the_variance(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    prediction, target = pair(space, rng)
    actual = wavelet_loss(prediction, target, exponent=2.0, whitening=0.0, all_high=1.0)
    variance = target.var(dim=(0, *range(2, target.ndim)), correction=0)
    assert_close(actual, (prediction - target).square().flatten(2).mean(-1) / variance)


@pytest.mark.parametrize("space", SPACES)
def test_full_whitening_gives_every_coefficient_the_same_weight(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    """An error that is the target's own band b costs this band's share of the coefficients."""
    steep = torch.randn(3, 2, *space, dtype=torch.float64, generator=rng).cumsum(-1)
    target = steep - steep.mean(dim=(0, *range(2, steep.ndim)), keepdim=True)
    bands = dwt(target, levels=2)
    nothing = tree_map(torch.zeros_like, bands)
    for level, detail in enumerate(bands.details):
        for orientation in range(detail.shape[2]):
            kept = torch.zeros_like(detail)
            kept[:, :, orientation] = detail[:, :, orientation]
            details = [*nothing.details[:level], kept, *nothing.details[level + 1 :]]
            error = idwt(replace(nothing, details=tuple(details)))
            loss = wavelet_loss(target + error, target, exponent=2.0, whitening=1.0, all_high=1.0)
            share = detail[0, 0, 0].numel() / target[0, 0].numel()
            assert_close(loss.mean(0), torch.full((2,), share, dtype=torch.float64))


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("factor", [1e-6, 10.0, 1e6])
def test_the_units_of_the_fields_do_not_matter(
    factor: float, whitening: float, rng: torch.Generator
) -> None:
    prediction, target = pair((8, 12), rng)
    expected = wavelet_loss(prediction, target, whitening=whitening)
    actual = wavelet_loss(factor * prediction, factor * target, whitening=whitening)
    assert_close(actual, expected)


def test_with_a_state_the_change_since_then_sets_the_scales(rng: torch.Generator) -> None:
    prediction, target = pair((8, 12), rng)
    state = 3 * pair((8, 12), rng)[1]
    actual = wavelet_loss(prediction, target, state=state)
    assert_close(actual, wavelet_loss(prediction - state, target - state))
    assert float((actual - wavelet_loss(prediction, target)).abs().min()) > 1e-3


@pytest.mark.parametrize("value", [0.0, 0.1, 3000.1])
def test_a_channel_that_does_not_change_keeps_its_units(value: float, rng: torch.Generator) -> None:
    """Divided by its rounding it would drown all others."""
    prediction, target = (u.float() for u in pair((8, 12), rng))
    target[:, 1] = value
    prediction[:, 1] = value + 0.5
    kept = wavelet_loss(prediction, target, exponent=2.0, all_high=1.0)
    assert_close(kept[:, 1], torch.full((3,), 0.25), rtol=1e-3, atol=0.0)
    assert_close(
        kept[:, 0], wavelet_loss(prediction[:, :1], target[:, :1], exponent=2.0, all_high=1.0)[:, 0]
    )


@pytest.mark.parametrize("space", ODD)
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_odd_sizes_are_padded_as_their_boundary_asks(
    boundary: str, space: tuple[int, ...], rng: torch.Generator
) -> None:
    prediction, target = pair(space, rng)
    mode: Literal["wrap", "edge"] = "wrap" if boundary == "periodic" else "edge"
    spread = [(0, 0), (0, 0), *((0, -size % 4) for size in space)]
    padded = [torch.from_numpy(np.pad(u.numpy(), spread, mode=mode)) for u in (prediction, target)]
    settings: dict[str, Any] = {"exponent": 2.0, "normalize": False, "all_high": 1.0}
    actual = wavelet_loss(prediction, target, boundary=boundary, **settings)
    assert_close(actual, (padded[0] - padded[1]).square().flatten(2).mean(-1))
    assert bool(wavelet_loss(prediction, target, boundary=boundary).isfinite().all())


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("base", ["vrmse", None])
def test_the_gradient_at_zero_error_is_zero(
    base: Any, exponent: float, rng: torch.Generator
) -> None:
    target = pair((8, 12), rng)[1]
    prediction = target.clone().requires_grad_()
    loss = WaveletLoss(base, exponent=exponent)(prediction, target)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert prediction.grad is not None
    assert_close(prediction.grad, torch.zeros_like(target), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("exponent", "wavelet", "boundary"),
    [(1.0, "haar", "open"), (2.0, "haar", "periodic"), (1.5, "db2", "periodic")],
)
@pytest.mark.parametrize("space", [(5,), (3, 4)])
def test_every_derivative_agrees(
    space: tuple[int, ...],
    exponent: float,
    wavelet: str,
    boundary: str,
    assert_derivatives_agree: Callable[..., None],
    rng: torch.Generator,
) -> None:
    prediction, target = (u[:2, :1] for u in pair(space, rng))
    options: dict[str, Any] = {"wavelet": wavelet, "boundary": boundary, "levels": 1}
    loss = WaveletLoss(exponent=exponent, **options)
    assert_derivatives_agree(lambda u: loss(u, target), prediction)
    state = prediction.roll(1, 0)
    assert_derivatives_agree(lambda u: loss(u, target, state=state), prediction)


def test_both_modes_take_the_scales_for_constants(rng: torch.Generator) -> None:
    """The target's gradient is the prediction's with the other sign, the state has none."""
    prediction, target = pair((8,), rng)
    state = target.roll(1, 0)

    def loss(p: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return WaveletLoss(None)(p, t, state=s)

    given = (prediction, target, state)
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        by_prediction, by_target, by_state = jacobian(loss, (0, 1, 2))(*given)
        assert_close(by_target, -by_prediction)
        assert not by_state.any()


def test_a_loss_mapped_over_samples_is_that_of_each(rng: torch.Generator) -> None:
    prediction, target = pair((5, 4), rng)
    loss = WaveletLoss(boundary="open")
    found = torch.vmap(lambda p, t: loss(p[None], t[None]))(prediction, target)
    each = [loss(p[None], t[None]) for p, t in zip(prediction, target, strict=True)]
    assert_close(found, torch.stack(each))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_criterion_adds_the_weighed_term_to_the_base(
    reduction: Any, rng: torch.Generator
) -> None:
    prediction, target = pair((8, 12), rng)
    per_channel = vrmse(prediction, target) + 0.3 * wavelet_loss(prediction, target)
    expected = {
        "none": per_channel,
        "mean": per_channel.mean(),
        "sum": per_channel.mean(1).sum(),  # over the batch, the mean over channels
    }[reduction]
    assert_close(WaveletLoss(weight=0.3, reduction=reduction)(prediction, target), expected)


def test_a_sum_grows_with_the_batch_and_a_mean_does_not(rng: torch.Generator) -> None:
    prediction, target = pair((8, 12), rng)
    twice = torch.cat([prediction, prediction]), torch.cat([target, target])
    total, mean = WaveletLoss(reduction="sum"), WaveletLoss(reduction="mean")
    assert_close(total(*twice), 2 * total(prediction, target))
    assert_close(mean(*twice), mean(prediction, target))


def test_another_base_loss_stands_in(rng: torch.Generator) -> None:
    prediction, target = pair((8, 12), rng)
    assert "base='MSELoss', weight=0.2" in repr(WaveletLoss(nn.MSELoss(), weight=0.2))
    term = wavelet_loss(prediction, target).mean()
    module = WaveletLoss(nn.MSELoss(), weight=0.2)
    expected = (prediction - target).square().mean() + 0.2 * term
    assert_close(module(prediction, target), expected)
    assert_close(WaveletLoss(None, weight=0.2)(prediction, target), 0.2 * term)


@pytest.mark.parametrize("base", ["vrmse", None])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_no_channel_at_all_is_no_error_with_a_usable_gradient(reduction: Any, base: Any) -> None:
    """Hosts split channels into scalars and vectors, and one of the two may be empty."""
    prediction = torch.zeros(3, 0, 8, 8, requires_grad=True)
    loss = WaveletLoss(base, reduction=reduction)(prediction, torch.zeros(3, 0, 8, 8))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert prediction.grad is not None


def test_the_weight_falls_over_the_last_tenth(rng: torch.Generator) -> None:
    prediction, target = pair((8, 12), rng)
    loss = WaveletLoss(None, weight=0.1, final_weight=0.02)
    term = wavelet_loss(prediction, target).mean()
    for progress, weight in ((0.0, 0.1), (0.9, 0.1), (0.95, 0.06), (1.0, 0.02), (1.2, 0.02)):
        loss.set_progress(progress)
        assert_close(loss(prediction, target), weight * term)
    loss.set_progress(0.0)  # a second training starts as the first
    assert loss.weight == 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_fields_are_compared_in_float32(
    dtype: torch.dtype, rng: torch.Generator
) -> None:
    prediction, target = (u.to(dtype) for u in pair((8, 12), rng))
    loss = WaveletLoss()
    expected = loss(prediction.float(), target.float())
    assert_close(loss(prediction, target), expected, rtol=0.0, atol=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(loss(prediction.float(), target.float()), expected, rtol=0.0, atol=0.0)


def test_the_target_is_a_constant(rng: torch.Generator) -> None:
    """The scales come from the target and take no part in the gradient."""
    prediction, target = pair((8, 12), rng)
    detached = prediction.clone().requires_grad_()
    wavelet_loss(detached, target).sum().backward()
    assert detached.grad is not None
    step = detached.grad * 1e-6
    change = (wavelet_loss(prediction + step, target) - wavelet_loss(prediction, target)).sum()
    assert_close(change, (step * detached.grad).sum(), rtol=1e-3, atol=0.0)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reduction": "man"}, "unknown reduction 'man'; did you mean 'mean'?"),
        ({"base": "vrms"}, "unknown base loss 'vrms'; did you mean 'vrmse'?"),
        ({"base": nn.MSELoss(), "reduction": "none"}, "use base=None"),
        ({"exponent": 0.5}, "exponent must be at least 1, got 0.5"),
        ({"exponent": float("nan")}, "exponent must be a finite number, got nan"),
        ({"whitening": 1.5}, "whitening must be between 0 and 1, got 1.5"),
        ({"whitening": -0.1}, "whitening must be between 0 and 1"),
        ({"exponent": "2"}, "exponent must be a finite number, got '2'"),
        ({"exponent": float("inf")}, "exponent must be a finite number, got inf"),
        ({"weight": None}, "weight must be a finite number, got None"),
        ({"final_weight": float("nan")}, "final_weight must be a finite number, got nan"),
        ({"base": 3}, "unknown base loss '3'; Known: vrmse"),
        ({"reduction": ["mean"]}, "unknown reduction"),
        ({"levels": 0}, "levels must be a whole number of at least 1, got 0"),
        ({"levels": "2"}, "levels must be a whole number of at least 1, got '2'"),
        ({"boundary": None}, "boundary must be one name or one for each axis, got None"),
        ({"wavelet": "harr"}, "unknown wavelet 'harr'; did you mean 'haar'?"),
        ({"wavelet": "db2", "boundary": "open"}, "needs periodic axes"),
        ({"boundary": "periodical"}, "did you mean 'periodic'?"),
        ({"boundary": ("open", "shut")}, "unknown boundary 'shut'"),
    ],
)
def test_a_criterion_that_cannot_work_is_refused_when_it_is_made(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        WaveletLoss(**settings)
    assert message in str(caught.value)


@pytest.mark.usefixtures("without_shape_check")
def test_nothing_is_broadcast() -> None:
    u, other = torch.zeros(2, 3, 8), torch.zeros(1, 3, 8)
    refused: list[Callable[[], object]] = [
        lambda: wavelet_loss(u, other),
        lambda: wavelet_loss(u, u, state=other),
        lambda: WaveletLoss()(u, other),
    ]
    for call in refused:
        with pytest.raises(ShapeError, match="expected equal shapes"):
            call()


@pytest.mark.usefixtures("without_shape_check")
def test_what_are_no_fields_is_refused() -> None:
    u, flat, array = torch.zeros(2, 3, 8), torch.zeros(2, 3), np.zeros((2, 3, 8))
    cases: list[tuple[Any, Any, dict[str, Any], str]] = [
        (array, u, {}, "prediction must be a torch tensor, got a numpy array"),
        (u, array, {}, "target must be a torch tensor, got a numpy array"),
        (u, u, {"state": array}, "state must be a torch tensor, got a numpy array"),
        (u.long(), u, {}, "prediction must have a floating dtype"),
        (flat, flat, {}, "1-3 space axes, got shape (2, 3)"),
        (u[..., :0], u[..., :0], {}, "needs at least one point"),
        (u, u.to("meta"), {}, "prediction on cpu, target on meta"),
    ]
    for prediction, target, options, message in cases:
        for call in (wavelet_loss, WaveletLoss(), WaveletLoss(None), WaveletLoss(nn.MSELoss())):
            with pytest.raises(ShapeError, match=re.escape(message)):
                call(prediction, target, **options)


@pytest.mark.parametrize("base", ["vrmse", None])
def test_an_empty_batch_is_no_error(base: Any) -> None:
    """A shard of a loader may be empty, and NaN would be all that is left of a sum over ranks."""
    nothing = torch.zeros(0, 2, 8, requires_grad=True)
    for reduction in ("mean", "sum"):
        loss = WaveletLoss(base, reduction=reduction)(nothing, torch.zeros(0, 2, 8))
        loss.backward()
        assert float(loss.detach()) == 0.0
    assert WaveletLoss(base, reduction="none")(nothing, nothing).shape == (0, 2)
