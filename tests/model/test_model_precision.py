"""Half precision: products may be rounded, sums over the grid and the residual stream are not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.attention import SLOWNESS, LinearAttention, Places
from wavelit_plugin.model.block import Block
from wavelit_plugin.model.rotation import rotation, wave_vectors

Tiny = Callable[..., WaveLiTConfig]
BOUND = 0.02  # design bound for all of it; one rounding to bf16 is 2**-9 = 0.002

EVERY: list[dict[str, Any]] = [
    {"ndim": 1, "levels": 2},
    {"ndim": 2, "pyramid_scales": 2, "boundary": ("periodic", "open")},
    {"ndim": 3, "boundary": "periodic"},
]


def relative(actual: Tensor, expected: Tensor) -> float:
    difference = actual.detach().float() - expected.detach().float()
    return float(difference.norm() / expected.detach().float().norm())


def autocast() -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("knobs", EVERY)
def test_autocast_changes_the_prediction_by_little(
    knobs: dict[str, Any], build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(residual="off", width=32, depth=2, **knobs).float()
    u = torch.randn(2, 2, *(8,) * knobs["ndim"], generator=rng)
    expected = model(u)
    with autocast():
        out = model(u)
    assert out.dtype == torch.float32
    mean = model.normalizer.output_mean  # known without the network
    view = (1, -1, *(1,) * knobs["ndim"])
    assert relative(out - mean.view(view), expected - mean.view(view)) < BOUND


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_beyond_half_precision_are_taken(
    factor: float, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    """float16 ends at 65504, and pascals of a weather map do not."""
    model = build(residual="off", width=32).float()
    u = factor * torch.randn(4, 2, 8, 8, generator=rng)
    model.fit_statistics([(u, u[:, :1])])
    expected = model.eval()(u)
    with torch.autocast("cpu", dtype=torch.float16):
        out = model(u)
    assert relative(out, expected) < BOUND


def test_autocast_keeps_the_query_dependent_part_of_attention(rng: torch.Generator) -> None:
    """What attention adds to the mean value is small beside it: all-bf16 loses 40-200 % of it."""
    width, heads, grid = 64, 2, (32, 32)
    torch.manual_seed(1)
    layer = LinearAttention(width, heads, ("open", "open"))
    layer.project.bias.data.uniform_(1.0, 2.0)  # so that the mean value is far from zero
    layer.gain.data.fill_(1 / SLOWNESS)
    vectors = wave_vectors(("open", "open"), heads, width // heads // 2)
    places = Places(*rotation(vectors, grid), waves=())
    smooth = torch.linspace(0, 3, 32).sin()
    x = torch.randn(2, *grid, width, generator=rng) * smooth[:, None, None]

    def query_dependent() -> Tensor:
        pairs, value, _ = layer.project(x).split(layer.sizes, dim=-1)
        mean = value.float().mean(dim=(1, 2), keepdim=True)
        return layer.attend(layer.positive(pairs), value, places) - mean

    expected = query_dependent()
    with autocast():
        out = query_dependent()
    assert relative(out, expected) < BOUND


@pytest.mark.parametrize("knobs", EVERY)
def test_the_residual_stream_is_float32_under_autocast(
    knobs: dict[str, Any], tiny: Tiny, rng: torch.Generator
) -> None:
    model, seen = WaveLiT(tiny(depth=2, **knobs)).eval(), set()

    def watch(_block: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.update({inputs[0].dtype, output.dtype})

    for module in model.modules():
        if isinstance(module, Block):
            module.register_forward_hook(watch)
    with autocast():
        model(torch.randn(1, 2, *(8,) * knobs["ndim"], generator=rng))
    assert seen == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_output_has_the_dtype_of_the_input(
    dtype: torch.dtype, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    """Computed in float32 and rounded once."""
    model = build().float()
    u = torch.randn(2, 2, 8, 8, generator=rng).to(dtype)
    out = model(u)
    assert out.dtype == dtype
    assert_close(out, model(u.float()).to(dtype), rtol=0.0, atol=0.0)


def test_statistics_of_half_precision_batches_are_float32(tiny: Tiny, rng: torch.Generator) -> None:
    u = (100 + torch.randn(8, 2, 8, 8, generator=rng)).bfloat16()
    half, full = WaveLiT(tiny()).train(), WaveLiT(tiny()).train()
    half(u, target=u[:, :1])
    full(u.float(), target=u[:, :1].float())
    for (name, a), b in zip(half.named_buffers(), full.buffers(), strict=True):
        assert_close(a, b, rtol=0.0, atol=0.0, msg=name)


def test_statistics_learned_under_autocast_are_those_without(
    tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = 3 + torch.randn(2, 8, 2, 16, 16, generator=rng)
    plain, inside = WaveLiT(tiny()).train(), WaveLiT(tiny()).train()
    plain(u, target=target[:, :1])
    with autocast():
        inside(u, target=target[:, :1])
        scales = inside.normalizer.field_scales()
    for (name, a), b in zip(inside.named_buffers(), plain.buffers(), strict=True):
        assert_close(a, b, rtol=0.0, atol=0.0, msg=name)
    assert_close(scales, plain.normalizer.field_scales(), rtol=0.0, atol=0.0)


def test_training_under_autocast_gives_finite_float32_gradients(
    tiny: Tiny, rng: torch.Generator
) -> None:
    model = WaveLiT(tiny(pyramid_scales=2, conditions=1)).train()
    u = torch.randn(2, 2, 8, 8, generator=rng)
    with autocast():
        loss = (model(u, torch.ones(2, 1), target=u[:, :1]) - u[:, :1]).square().mean()
    loss.backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == torch.float32
        assert bool(parameter.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.int64, torch.bfloat16, torch.float64])
def test_conditions_may_be_numbers_of_any_kind(
    dtype: torch.dtype, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(conditions=2).float()
    u, condition = torch.randn(2, 2, 4, 4, generator=rng), torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    assert_close(model(u, condition.to(dtype)), model(u, condition), rtol=0.0, atol=0.0)
