"""Gradients of the whole model: right, and none missing, which data-parallel training needs."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.testing import assert_close

from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

Tiny = Callable[..., WaveLiTConfig]
Build = Callable[..., WaveLiT]

LAYOUTS = {
    "default": None,
    "history": ChannelLayout(frames=2, fields=1, constants=1),
    "another": ChannelLayout(fields=0, constants=3),
}


EVERY: list[dict[str, Any]] = [
    {"ndim": 1, "pyramid_scales": 2, "levels": 2},
    {"ndim": 2, "pyramid_scales": 2, "conditions": 1, "boundary": ("periodic", "wall")},
    {"ndim": 3, "boundary": "periodic", "wavelet": "db2"},
]


def field(ndim: int, rng: torch.Generator) -> Tensor:
    space = (5,) * ndim if ndim < 3 else (4, 2, 2)
    return torch.randn(1, 2, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("knobs", EVERY)
def test_every_derivative_by_the_input_agrees(
    knobs: dict[str, Any],
    again: bool,
    build: Build,
    assert_derivatives_agree: Callable[..., None],
    rng: torch.Generator,
) -> None:
    model = build(width=4, heads=1, activation_checkpointing=again, **knobs)
    u = field(knobs["ndim"], rng)
    if not model.config.conditions:
        assert_derivatives_agree(model, u)
        return
    condition = torch.full((1, 1), 0.3, dtype=torch.float64)
    assert_derivatives_agree(model, u, condition)


@pytest.mark.parametrize("knobs", EVERY)
def test_gradients_by_the_parameters_equal_finite_differences(
    knobs: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    model = build(width=4, heads=1, **knobs)
    names = [name for name, _ in model.named_parameters()]
    condition = torch.full((1, 1), 0.3, dtype=torch.float64) if "conditions" in knobs else None

    def predict(u: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(model, dict(zip(names, parameters, strict=True)), (u, condition))

    # the fast mode compares one random projection of the Jacobian
    inputs = (field(knobs["ndim"], rng).requires_grad_(), *model.parameters())
    assert torch.autograd.gradcheck(predict, inputs, fast_mode=True, check_forward_ad=True)


def test_gradients_of_each_sample_add_up_to_that_of_the_batch(
    build: Build, rng: torch.Generator
) -> None:
    model = build(width=4, heads=1, pyramid_scales=2)
    u = torch.randn(3, 2, 5, 6, dtype=torch.float64, generator=rng)
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(given: dict[str, Tensor], v: Tensor) -> Tensor:
        return functional_call(model, given, (v,)).square().sum()

    each = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, u[:, None])
    expected = torch.func.grad(loss)(parameters, u)
    for name, gradient in each.items():
        assert_close(gradient.sum(0), expected[name])


def missing(model: WaveLiT, u: Tensor, target: Tensor) -> list[str]:
    condition = torch.ones(len(u), model.config.conditions)
    model.train()(u, condition, target=target).square().mean().backward()
    return [name for name, p in model.named_parameters() if p.grad is None or p.numel() == 0]


@pytest.mark.parametrize(
    ("residual", "layout"),
    # ("on", "another") has nothing to continue and is refused by the configuration
    [
        (r, name)
        for name in LAYOUTS
        for r in ("auto", "on", "off")
        if (r, name) != ("on", "another")
    ],
)
def test_every_parameter_is_used_in_training(
    residual: str, layout: str, tiny: Tiny, rng: torch.Generator
) -> None:
    """No unused and no empty parameter: both stop DistributedDataParallel."""
    u, target = torch.randn(2, 2, 3, 4, 6, generator=rng)[:, :, :3].unbind(0)
    boundaries: list[Any] = ["periodic", "open", ("periodic", "wall")]
    for scales, boundary, conditions in itertools.product((1, 2), boundaries, (0, 1)):
        knobs = {"pyramid_scales": scales, "boundary": boundary, "conditions": conditions}
        config = tiny(in_channels=3, residual=residual, layout=LAYOUTS[layout], **knobs)
        assert missing(WaveLiT(config), u, target[:, :1]) == [], config


@pytest.mark.parametrize("ndim", [1, 3])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_every_parameter_is_used_in_other_dimensions(
    boundary: str, ndim: int, tiny: Tiny, rng: torch.Generator
) -> None:
    u = torch.randn(2, 2, *(4,) * ndim, generator=rng)
    config = tiny(ndim=ndim, pyramid_scales=3, boundary=boundary, conditions=2)
    assert missing(WaveLiT(config), u, u[:, :1]) == []


def test_an_awake_model_learns_in_every_parameter(build: Build, rng: torch.Generator) -> None:
    """Away from the zero-initialised start no gradient is identically zero."""
    model = build(pyramid_scales=2, conditions=1)
    u = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=rng)
    model(u, torch.randn(2, 1, dtype=torch.float64, generator=rng)).square().mean().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


SWITCHES = {
    "attention": ("project", "gain"),
    "positional_kernel": ("waves",),
    "gate": ("project",),
    "texture": ("texture",),
}


@pytest.mark.parametrize(("switch", "parts"), SWITCHES.items())
def test_a_component_that_is_off_has_no_weights_and_the_others_learn(
    switch: str, parts: tuple[str, ...], tiny: Tiny, build: Build, rng: torch.Generator
) -> None:
    u = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=rng)
    whole, without = build(), build(**{switch: False})
    sizes = [{n: p.numel() for n, p in m.named_parameters()} for m in (whole, without)]
    fewer = {n for n, size in sizes[0].items() if sizes[1].get(n, 0) < size}
    assert fewer
    assert all(any(part in name for part in parts) for name in fewer)
    without(u).square().mean().backward()
    still = [n for n, p in without.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []
    assert missing(WaveLiT(tiny(**{switch: False})), u.float(), u[:, :1].float()) == []


def trained(config: WaveLiTConfig) -> list[Tensor]:
    torch.manual_seed(5)
    model = WaveLiT(config).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    u = torch.randn(4, 2, 8, 8)
    for _ in range(2):
        optimizer.zero_grad()
        (model(u, target=u[:, :1]) - u[:, :1].roll(1, -1)).square().mean().backward()
        optimizer.step()
    return list(model.state_dict().values())


def test_a_seed_decides_everything(tiny: Tiny) -> None:
    config = tiny(pyramid_scales=2, levels=2)
    for first, second in zip(trained(config), trained(config), strict=True):
        assert_close(first, second, rtol=0.0, atol=0.0)
