"""The feature pyramid: what it computes, what its scales share, and how far it sees."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.pyramid import FeaturePyramid, averages
from wavelit_plugin.shapes import Boundary
from wavelit_plugin.wavelets import dwt

Tiny = Callable[..., WaveLiTConfig]
Awake = Callable[[nn.Module], nn.Module]

FEATURES = 4
CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
MODES = {"periodic": "circular", "open": "zeros", "wall": "replicate"}
every_boundary = pytest.mark.parametrize(
    "boundary", [("open",), ("periodic", "wall"), ("periodic",) * 3]
)


def pyramid(boundary: tuple[Boundary, ...], scales: int, channels: int = 1) -> FeaturePyramid:
    return FeaturePyramid(channels, 1, boundary, FEATURES, scales).double()


def field(space: tuple[int, ...], rng: torch.Generator, channels: int = 1) -> Tensor:
    return torch.randn(2, channels, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize("scales", [1, 3])
@every_boundary
def test_it_starts_as_zero_and_learns(
    boundary: tuple[Boundary, ...], scales: int, awake: Awake, rng: torch.Generator
) -> None:
    layer, u = pyramid(boundary, scales, 3), field((8,) * len(boundary), rng, 3)
    assert not bool(layer(u).any())
    awake(layer)
    assert bool(layer(u).all())


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("space", [(16,), (8, 16), (8, 16, 8)])
def test_a_block_asks_the_same_block_on_its_cells(
    space: tuple[int, ...], scales: int, name: Boundary, awake: Awake, rng: torch.Generator
) -> None:
    """Written again as a recursion of PyTorch's own layers on channels-first fields."""
    layer = pyramid((name,) * len(space), scales, 3)
    awake(layer)
    halves = itertools.product((slice(0, None, 2), slice(1, None, 2)), repeat=len(space))
    places: list[tuple[Any, ...]] = [(..., *half) for half in halves]

    def filtered(x: Tensor, name_of_layer: str, scale: int = 0) -> Tensor:
        own = getattr(layer, name_of_layer)
        after, before = own.weight.shape[:2]
        convolution = CONVOLUTIONS[len(space)](
            before, after, 3, padding=1, padding_mode=MODES[name], bias=False, dtype=torch.float64
        )
        convolution.load_state_dict({"weight": own.weight})
        shape = (-1, *[1] * len(space))
        gain = 1.0 if own.gain is None else own.gain[scale].view(shape)
        found: Tensor = convolution(x) * gain + own.bias[scale].view(shape)
        return found

    def mixed(x: Tensor, weight: Any) -> Tensor:
        return torch.einsum("oi,bi...->bo...", weight.weight, x)

    def block(u: Tensor, asked: Tensor | None, scale: int) -> Tensor:
        fine = filtered(u, "first", scale)
        fine = fine if asked is None else fine + asked
        x = torch.cat([nn.functional.silu(fine)[place] for place in places], dim=1)
        x = nn.functional.silu(filtered(x, "enter", scale))
        if scale + 1 < scales:
            coarser = torch.stack([u[place] for place in places]).mean(0)
            x = x + mixed(block(coarser, mixed(x, layer.ask), scale + 1), layer.told)
        x = filtered(nn.functional.silu(filtered(x, "inner")), "leave", scale)
        coarse = torch.zeros_like(fine)
        for part, place in zip(x.chunk(len(places), dim=1), places, strict=True):
            coarse[place] = part
        return fine * (1 + coarse.tanh()) + coarse + nn.functional.silu(fine)

    u = field(space, rng, 3)
    assert_close(layer(u), filtered(block(u, None, 0), "last"))


@pytest.mark.parametrize("grid", [(8,), (4, 6), (2, 4, 6)])
def test_the_fields_of_a_coarser_scale_are_haar_averages(
    grid: tuple[int, ...], rng: torch.Generator
) -> None:
    u = field(grid, rng, 3)
    low = dwt(u, boundary="open").approximation * 2.0 ** (-len(grid) / 2)
    assert_close(averages(u.movedim(1, -1)).movedim(-1, 1), low)


@pytest.mark.parametrize("boundary", ["periodic", "open", "wall"])
def test_any_size_is_treated_as_if_it_were_extended(
    boundary: Boundary, awake: Awake, rng: torch.Generator
) -> None:
    layer, u = pyramid((boundary,), 2), field((9,), rng)
    awake(layer)
    more = u[..., :3] if boundary == "periodic" else u[..., -1:].expand(-1, -1, 3)
    assert_close(layer(u), layer(torch.cat([u, more], dim=2))[..., :9])


@every_boundary
def test_it_sees_neighbours_across_periodic_ends_only(
    boundary: tuple[Boundary, ...], awake: Awake, rng: torch.Generator
) -> None:
    layer = pyramid(boundary, 1)
    awake(layer)
    size = 32  # wider than twice the reach of the layers
    u = field((size,) * len(boundary), rng)
    for axis, name in enumerate(boundary, start=2):
        changed = u.clone()
        changed.select(axis, 0).add_(1.0)
        difference = (layer(changed) - layer(u)).abs().movedim(axis, 0).flatten(1).amax(1)
        assert bool(difference[0] > 0)
        assert bool(difference[1] > 0)
        assert bool(difference[-1] > 0) is (name == "periodic")
        assert not bool(difference[size // 2] > 0)


def test_every_scale_sees_twice_as_far(awake: Awake, rng: torch.Generator) -> None:
    u = field((512,), rng)
    changed = u.clone()
    changed[..., 256] += 1.0
    seen = []
    for scales in (1, 2, 3, 4):
        layer = awake(pyramid(("open",), scales))
        where = (layer(changed) - layer(u)).abs().amax((0, 1)).nonzero()
        seen.append(int(where.max() - where.min()))
    assert all(wider >= 2 * before for before, wider in itertools.pairwise(seen))


@pytest.mark.parametrize("knobs", [{"ndim": 1}, {"ndim": 2, "conditions": 1}, {"ndim": 3}])
def test_scales_share_their_weights(knobs: dict[str, Any], tiny: Tiny) -> None:
    """Each further scale adds a gain and a bias of each feature, the second one the exchange."""
    counts = [
        sum(p.numel() for p in WaveLiT(tiny(pyramid_scales=scales, **knobs)).parameters())
        for scales in (1, 2, 3, 4)
    ]
    films = 2 * FEATURES * (1 + 2 + 2 ** knobs["ndim"])
    added = [after - before for before, after in itertools.pairwise(counts)]
    # one scale has a bias and no gain
    assert added == [films * 3 // 2 + 2 * FEATURES * 2 * FEATURES, films, films]
