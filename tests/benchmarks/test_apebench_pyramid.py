"""The pyramid: what holds for all its weights, and that each knob does what it says."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from benchmarks.apebench.pyramid import Block, Pyramid, PyramidConfig
from wavelit_plugin.shapes import Boundary, per_axis

BASE = PyramidConfig(2, 1, ("periodic", "periodic"), scales=3, features=4)
GRIDS: dict[int, tuple[int, ...]] = {1: (32,), 2: (16, 24), 3: (8, 16, 8)}


def _made(config: PyramidConfig, space: tuple[int, ...]) -> tuple[Pyramid, Tensor]:
    """A pyramid whose weights are all at random, none zero, and a field."""
    torch.manual_seed(0)
    model = Pyramid(config).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    u = torch.randn(3, config.in_channels, *space, dtype=torch.float64) + 1
    model.fit_statistics(u, 0.5 * u[:, : config.out_channels] + torch.randn_like(u[:, :1]))
    return model, u


def _periodic(ndim: int, **knobs: Any) -> PyramidConfig:
    return replace(BASE, boundary=per_axis("periodic", ndim), **knobs)


@pytest.mark.parametrize("ndim", GRIDS)
@pytest.mark.parametrize("attention", [False, True])
def test_a_shift_by_a_coarsest_cell_shifts_the_answer(ndim: int, attention: bool) -> None:
    model, u = _made(_periodic(ndim, attention=attention), GRIDS[ndim])
    axes = tuple(range(2, ndim + 2))
    answer = model(u)
    for points, same in ((2**BASE.scales, True), (1, False)):
        shifts = (points,) * ndim
        moved = model(u.roll(shifts, axes)).roll([-shift for shift in shifts], axes)
        assert torch.allclose(moved, answer, rtol=1e-9, atol=1e-9) == same


@pytest.mark.parametrize("boundary", ["periodic", "wall", "open"])
def test_a_cell_that_is_told_its_place_answers_by_it(boundary: Boundary) -> None:
    shapes = []
    for place in (False, True):
        model, _ = _made(PyramidConfig(1, 1, (boundary,), features=4, place=place), (128,))
        flat = model(torch.ones(1, 1, 128, dtype=torch.float64))[0, 0]
        inside = flat[48:80:4]  # the ends of an axis are not seen from here
        shapes.append((inside - inside.mean()).abs().max().item())
    assert shapes[0] < 1e-12
    assert shapes[1] > 1e-3


def test_it_starts_from_what_stays_of_the_state() -> None:
    """The last layer starts as zero: no update, so the answer is the best multiple of the state."""
    u = torch.randn(64, 2, 16, 16, dtype=torch.float64) + 5
    noise = torch.randn(64, 1, 16, 16, dtype=torch.float64)
    after = 0.6 * (u[:, :1] - 5) + 0.1 * noise + 7
    model = Pyramid(BASE).double()
    model.fit_statistics(u, after)
    fields = [torch.randn(1, 16 >> s, 16 >> s, 2, dtype=torch.float64) for s in range(3)]
    assert not model.block(fields).any()
    # the standard error of a slope, of 16,384 samples, and of a mean
    assert_close(model(u), 0.6 * (u[:, :1] - 5) + 7, atol=0.02, rtol=0)
    assert_close(model.out_scale.item(), 0.1, atol=0.005, rtol=0)


@pytest.mark.parametrize("space", [(13, 7), (16, 9), (1, 2)])
def test_any_size_comes_back(space: tuple[int, int]) -> None:
    config = replace(BASE, boundary=("wall", "open"), attention=True, place=True)
    model, u = _made(config, space)
    assert model(u).shape == (3, 1, *space)
    assert model(u).isfinite().all()


def _size(config: PyramidConfig) -> int:
    return sum(parameter.numel() for parameter in Block(config).parameters())


def test_each_knob_costs_the_weights_that_it_adds() -> None:
    fine, wide, cell = BASE.features, 2 * BASE.features, 4 * BASE.features
    gains = 2 * (fine + wide + cell)  # of one scale: a gain and a bias each
    projections = 5 * wide * (wide + 1)
    assert _size(replace(BASE, attention=True)) == _size(BASE) + projections
    assert _size(replace(BASE, place=True)) == _size(BASE) + 2 * 6 * wide
    assert _size(replace(BASE, scales=4)) == _size(BASE) + gains
    assert _size(replace(BASE, film=False)) == _size(BASE) - 3 * gains
    # the weights of the coarsest scale ask for nothing
    asks = 2 * fine * wide
    one = _size(replace(BASE, scales=1)) - (9 * fine + 1)  # without the last layer
    assert _size(replace(BASE, shared=False)) == _size(BASE) + 2 * one + asks


@pytest.mark.parametrize(
    "knob", [{"scales": 4}, {"film": False}, {"attention": True}, {"place": True}]
)
def test_each_knob_changes_the_answer(knob: dict[str, Any]) -> None:
    """With the same weights, where both have them."""
    plain, u = _made(BASE, (16, 16))
    other, _ = _made(replace(BASE, **knob), (16, 16))
    theirs = other.state_dict()
    for name, value in plain.state_dict().items():
        if name in theirs and theirs[name].shape == value.shape:
            theirs[name].copy_(value)
    assert (other(u) - plain(u)).abs().max() > 1e-3


def test_scales_of_their_own_with_the_same_weights_are_the_shared_ones() -> None:
    shared, u = _made(BASE, (16, 16))
    own, _ = _made(replace(BASE, shared=False), (16, 16))
    weights = dict(shared.state_dict())
    for name in own.state_dict():
        if name.startswith("block.weights."):
            *_, rest = name.split(".", 3)
            weights[name] = weights[f"block.weights.0.{rest}"]
    own.load_state_dict(weights)
    assert_close(own(u), shared(u))
    with torch.no_grad():
        next(own.block.weights[2].parameters()).mul_(2)
    assert (own(u) - shared(u)).abs().max() > 1e-3


def test_a_configuration_survives_being_written() -> None:
    config = replace(BASE, attention=True)
    written = json.loads(json.dumps(config.as_dict()))
    assert written == config.as_dict()
    assert PyramidConfig.from_dict(written) == config
