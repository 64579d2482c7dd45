"""Convolutions on tokens and on points equal torch's own, padded as each boundary asks."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.model.refinement import Refinement
from wavelit_plugin.shapes import Boundary

Awake = Callable[[nn.Module], nn.Module]
WIDTH = 6
GRIDS = [(5,), (1,), (4, 5), (1, 3), (3, 4, 5), (1, 2, 1)]
CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def tokens(grid: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, *grid, WIDTH, dtype=torch.float64, generator=rng)


def ours(boundary: tuple[Boundary, ...], awake: Awake) -> DepthwiseConv:
    layer = DepthwiseConv(WIDTH, boundary).double()
    awake(layer)
    return layer


@pytest.mark.parametrize(
    ("name", "mode"), [("periodic", "circular"), ("open", "zeros"), ("wall", "zeros")]
)
@pytest.mark.parametrize("grid", GRIDS)
def test_all_axes_alike_equal_the_padding_mode_of_torch(
    grid: tuple[int, ...], name: Boundary, mode: str, awake: Awake, rng: torch.Generator
) -> None:
    layer, x = ours((name,) * len(grid), awake), tokens(grid, rng)
    reference = CONVOLUTIONS[len(grid)](
        WIDTH, WIDTH, 3, padding=1, padding_mode=mode, groups=WIDTH, dtype=torch.float64
    )
    reference.load_state_dict(layer.state_dict())
    assert_close(layer(x), reference(x.movedim(-1, 1)).movedim(1, -1))


def test_one_axis_equals_a_one_dimensional_convolution(awake: Awake, rng: torch.Generator) -> None:
    layer, x = ours(("open",), awake), tokens((7,), rng)
    expected = F.conv1d(x.movedim(-1, 1), layer.weight, layer.bias, padding=1, groups=WIDTH)
    assert_close(layer(x), expected.movedim(1, -1))


def test_each_axis_is_padded_by_its_own_rule(awake: Awake, rng: torch.Generator) -> None:
    layer, x = ours(("periodic", "open"), awake), tokens((4, 5), rng)
    u = F.pad(x.movedim(-1, 1), (0, 0, 1, 1), mode="circular")
    expected = F.conv2d(F.pad(u, (1, 1)), layer.weight, layer.bias, groups=WIDTH)
    assert_close(layer(x), expected.movedim(1, -1))


def test_the_positional_convolution_starts_as_zero(rng: torch.Generator) -> None:
    layer = DepthwiseConv(WIDTH, ("open", "open"), zero=True).double()
    assert not layer(tokens((3, 3), rng)).any()


@pytest.mark.parametrize("boundary", [("open",), ("periodic", "wall"), ("periodic",) * 3])
def test_the_refinement_starts_as_zero_and_learns(
    boundary: tuple[Boundary, ...], awake: Awake, rng: torch.Generator
) -> None:
    layer = Refinement(3, 2, boundary, 24).double()
    u = torch.randn(2, 3, *(4,) * len(boundary), dtype=torch.float64, generator=rng)
    start = layer(u)
    assert_close(start, torch.zeros_like(u[:, :2]), rtol=0.0, atol=0.0)
    awake(layer)
    assert bool(layer(u).all())


@pytest.mark.parametrize(
    ("name", "mode"), [("periodic", "circular"), ("open", "zeros"), ("wall", "replicate")]
)
@pytest.mark.parametrize("space", [(6,), (4, 6), (2, 4, 6)])
def test_the_refinement_convolves_points_then_cells_of_two_then_points(
    space: tuple[int, ...], name: Boundary, mode: str, awake: Awake, rng: torch.Generator
) -> None:
    layer = Refinement(3, 2, (name,) * len(space), 24).double()
    awake(layer)
    halves = itertools.product((slice(0, None, 2), slice(1, None, 2)), repeat=len(space))
    places: list[tuple[Any, ...]] = [(..., *half) for half in halves]

    def filtered(x: Tensor, step: int) -> Tensor:
        weight, bias = layer.weights[step], layer.biases[step]
        convolution = CONVOLUTIONS[len(space)](
            weight.shape[1], weight.shape[0], 3, padding=1, padding_mode=mode, dtype=torch.float64
        )
        convolution.load_state_dict({"weight": weight, "bias": bias})
        return convolution(x)

    def silu(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    u = torch.randn(2, 3, *space, dtype=torch.float64, generator=rng)
    fine = filtered(u, 0)
    x = torch.cat([silu(fine)[place] for place in places], dim=1)
    x = filtered(silu(filtered(silu(filtered(x, 1)), 2)), 3)
    coarse = torch.zeros_like(fine)
    for part, place in zip(x.chunk(len(places), dim=1), places, strict=True):
        coarse[place] = part
    assert_close(layer(u), filtered(fine * (1 + coarse.tanh()) + coarse + silu(fine), 4))


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_an_odd_axis_is_refined_as_if_it_were_extended(
    boundary: Boundary, awake: Awake, rng: torch.Generator
) -> None:
    layer = Refinement(1, 1, (boundary,), 24).double()
    awake(layer)
    u = torch.randn(1, 1, 7, dtype=torch.float64, generator=rng)
    more = u[..., :1] if boundary == "periodic" else u[..., -1:]
    assert_close(layer(u), layer(torch.cat([u, more], dim=2))[..., :7])


@pytest.mark.parametrize("boundary", [("open",), ("periodic", "wall"), ("periodic",) * 3])
def test_the_refinement_sees_neighbours_across_periodic_ends_only(
    boundary: tuple[Boundary, ...], awake: Awake, rng: torch.Generator
) -> None:
    layer = Refinement(1, 1, boundary, 24).double()
    awake(layer)
    size = 32  # wider than twice the reach of the layers
    u = torch.randn(1, 1, *(size,) * len(boundary), dtype=torch.float64, generator=rng)
    for axis, name in enumerate(boundary, start=2):
        changed = u.clone()
        changed.select(axis, 0).add_(1.0)
        difference = (layer(changed) - layer(u)).abs().movedim(axis, 0).flatten(1).amax(1)
        assert bool(difference[0] > 0)
        assert bool(difference[1] > 0)
        assert bool(difference[-1] > 0) is (name == "periodic")
        assert not bool(difference[size // 2] > 0)
