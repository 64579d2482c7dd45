"""The texture of tokens: what it is, where it looks, and what it does not depend on."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiTConfig
from wavelit_plugin.model.texture import Texture

Tiny = Callable[..., WaveLiTConfig]
Awake = Callable[[nn.Module], nn.Module]


def made(tiny: Tiny, awake: Awake, **knobs: Any) -> Texture:
    texture = Texture(tiny(width=24, **knobs)).double()
    awake(texture)
    return texture


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_it_is_the_mean_of_bounded_filters_of_six_points(
    levels: int, boundary: str, tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    """By a convolution on the points with a step of two, and a plain mean."""
    texture = made(tiny, awake, boundary=boundary, levels=3)
    u = torch.randn(2, 2, 16, 24, dtype=torch.float64, generator=rng)
    weight = texture.weight.detach()  # (filter, channel * inner, cells)
    filters = weight.unflatten(1, (2, 2, 2)).permute(0, 1, 4, 2, 5, 3).reshape(-1, 2, 6, 6)
    mode = "circular" if boundary == "periodic" else "constant"
    seen = F.pad(u, (2, 2, 2, 2), mode=mode)
    answers = torch.tanh(F.conv2d(seen, filters, texture.bias, stride=2))
    # orthonormal low bands: means times 2 a level
    size = 2 ** (levels - 1)
    means = F.avg_pool2d(answers, size) * size
    assert_close(texture(u, levels), means.movedim(1, -1) @ texture.linear.weight.T)


def test_at_a_wall_the_cell_there_goes_on(tiny: Tiny, awake: Awake, rng: torch.Generator) -> None:
    """Nothing is seen beyond a wall that a wider domain with the same last cells does not show."""
    texture = made(tiny, awake, ndim=1, boundary="wall", levels=1)
    u = torch.randn(1, 2, 8, dtype=torch.float64, generator=rng)
    longer = torch.cat([u[..., :2], u, u[..., -2:]], dim=-1)
    assert_close(texture(longer, 1)[:, 1:-1], texture(u, 1))


def test_moving_a_pattern_within_a_token_changes_nothing(
    tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    """Which the embedding, a map of each coefficient, would have to learn for every place."""
    texture = made(tiny, awake, ndim=1, levels=4, boundary="periodic")
    u = torch.zeros(1, 2, 48, dtype=torch.float64)
    u[..., 20:23] = torch.randn(1, 2, 3, dtype=torch.float64, generator=rng)
    answer = texture(u, 4)
    assert not torch.allclose(answer, texture(torch.zeros_like(u), 4), atol=1e-3)
    for step in (2, 4):
        assert_close(texture(u.roll(step, 2), 4), answer)
    # from a token to its neighbour it goes along
    assert_close(texture(u.roll(16, 2), 4), answer.roll(1, 1))


def test_large_values_are_bounded(tiny: Tiny, awake: Awake, rng: torch.Generator) -> None:
    texture = made(tiny, awake, levels=1)
    u = torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=rng)
    bound = texture.linear.weight.abs().sum(1) + 1e-9
    assert bool((texture(1e6 * u, 1).abs() <= bound).all())


@pytest.mark.parametrize("space", [(9,), (7, 10), (5, 6, 7)])
def test_sizes_that_are_no_multiple_of_a_token_are_continued(
    space: tuple[int, ...], tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    texture = made(tiny, awake, ndim=len(space), levels=2)
    u = torch.randn(1, 2, *space, dtype=torch.float64, generator=rng)
    assert texture(u, 2).shape == (1, *(math.ceil(n / 4) for n in space), 24)


@pytest.mark.parametrize(("width", "filters"), [(8, 8), (24, 8), (120, 40), (288, 96)])
def test_filters_are_about_a_third_of_the_features(width: int, filters: int, tiny: Tiny) -> None:
    assert len(Texture(tiny(width=width)).weight) == filters


def test_first_answers_use_the_range_of_the_bounded_function(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """Fields come with a deviation of one; a filter that starts in its linear part tells little."""
    torch.manual_seed(0)
    texture = Texture(tiny(width=96, levels=1))
    heard: list[Tensor] = []
    texture.linear.register_forward_hook(lambda _m, given, _out: heard.append(given[0]))
    texture(torch.randn(4, 2, 16, 16, generator=rng), 1)
    assert 0.6 < float(heard[0].detach().std()) < 0.9
