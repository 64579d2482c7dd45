"""The pyramid of shared blocks: its transfers between scales, and what is shared.

R is the Haar low band of the tokens, P its transpose.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.attention import Places
from wavelit_plugin.model.pyramid import FeaturePyramid, prolong, restrict
from wavelit_plugin.model.rotation import rotation
from wavelit_plugin.wavelets import dwt

Tiny = Callable[..., WaveLiTConfig]
Awake = Callable[[nn.Module], nn.Module]

EVEN = [(8,), (4, 6), (2, 4, 6)]
ODD = [(7,), (1,), (5, 8), (1, 3), (1, 1), (3, 5, 4), (1, 2, 1), (1, 1, 1)]


def tokens(grid: tuple[int, ...], rng: torch.Generator, width: int = 8) -> Tensor:
    return torch.randn(2, *grid, width, dtype=torch.float64, generator=rng)


def places_of(pyramid: FeaturePyramid, grid: tuple[int, ...]) -> Places:
    return Places(*rotation(pyramid.vectors, grid), pyramid.waves(grid))


def coarse(grid: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((size + 1) // 2 for size in grid)


@pytest.mark.parametrize("grid", EVEN + ODD)
def test_restriction_is_the_haar_low_band(grid: tuple[int, ...], rng: torch.Generator) -> None:
    x = tokens(grid, rng)
    low = dwt(x.movedim(-1, 1), boundary="open").approximation.movedim(1, -1)
    assert_close(restrict(x, len(grid)), low)


@pytest.mark.slow
@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("grid", [(7,), (5, 8)])
def test_the_compiled_gradient_of_the_restriction_is_right(
    grid: tuple[int, ...],
    rng: torch.Generator,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was not on odd axes, with a pooling that rounds up (pytorch/pytorch issue 198119)."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
    torch.compiler.reset()
    x, y = tokens(grid, rng).requires_grad_(), tokens(coarse(grid), rng)
    compiled = torch.compile(restrict, fullgraph=True)
    found = [torch.autograd.grad((f(x, len(grid)) * y).sum(), x) for f in (compiled, restrict)]
    assert_close(found[0], found[1])


@pytest.mark.parametrize("grid", EVEN)
def test_prolongation_is_the_transpose_and_the_right_inverse_of_restriction(
    grid: tuple[int, ...], rng: torch.Generator
) -> None:
    x, y = tokens(grid, rng), tokens(coarse(grid), rng)
    assert_close((restrict(x, len(grid)) * y).sum(), (x * prolong(y, grid)).sum())
    assert_close(restrict(prolong(y, grid), len(grid)), y)


@pytest.mark.parametrize("grid", EVEN + ODD)
def test_restriction_and_prolongation_make_a_projection(
    grid: tuple[int, ...], rng: torch.Generator
) -> None:
    """Onto fields that are constant on cells of two tokens an axis, so constants stay."""
    x = tokens(grid, rng)
    once = prolong(restrict(x, len(grid)), grid)
    assert_close(prolong(restrict(once, len(grid)), grid), once)
    flat = torch.ones_like(x)
    assert_close(prolong(restrict(flat, len(grid)), grid), flat)


@pytest.mark.parametrize("scales", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("grid", [(8,), (7,), (4, 8), (5, 3), (1, 1), (4, 4, 4), (3, 1, 5)])
def test_blocks_that_do_nothing_leave_the_tokens_as_they_are(
    grid: tuple[int, ...], boundary: str, scales: int, tiny: Tiny, rng: torch.Generator
) -> None:
    config = tiny(ndim=len(grid), scales=scales, boundary=boundary, depth=2)
    pyramid = FeaturePyramid(config).double()
    for block in pyramid.blocks:
        nn.init.zeros_(block.get_parameter("steps"))  # position is zero from the start
    x = tokens(grid, rng)
    assert_close(pyramid(x), x, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("grid", [(8,), (7,), (4, 6), (5, 3), (4, 2, 4)])
def test_two_scales_are_a_coarse_correction_of_the_fine_one(
    grid: tuple[int, ...], tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    """y1 = B(R z + e; 1), y0 = B(z; 0) + gamma P (y1 - R z), with R from the wavelet transform."""
    pyramid = FeaturePyramid(tiny(ndim=len(grid), scales=2)).double()
    awake(pyramid)
    assert pyramid.embedding is not None
    assert pyramid.fusion is not None
    block, z = pyramid.blocks[0], tokens(grid, rng)
    low = dwt(z.movedim(-1, 1), boundary="open").approximation.movedim(1, -1)
    y1 = block(low + pyramid.embedding[0], 1, places_of(pyramid, coarse(grid)))
    y0 = block(z, 0, places_of(pyramid, grid))
    expected = y0 + pyramid.fusion[0, 0] * prolong(y1 - low, grid)
    assert_close(pyramid(z), expected)


def test_the_correction_passes_through_every_scale(
    tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    """With the fusion between the two coarser scales off, three scales are two."""
    three = FeaturePyramid(tiny(ndim=1, scales=3)).double()
    awake(three)
    two = FeaturePyramid(tiny(ndim=1, scales=2)).double()
    shared = {k: v for k, v in three.state_dict().items() if k not in {"embedding", "fusion"}}
    for name, value in shared.items():
        if ".norms." in name:  # one row a scale
            shared[name] = value[:2]
    cut = {"embedding": three.embedding[:1], "fusion": three.fusion[:, :1]}  # type: ignore[index]
    two.load_state_dict({**shared, **cut})
    x = tokens((8,), rng)
    assert float((three(x) - two(x)).detach().abs().max()) > 1e-3
    three.fusion.data[:, 1] = 0.0  # type: ignore[union-attr]
    assert_close(three(x), two(x))


@pytest.mark.parametrize("knobs", [{"ndim": 1}, {"ndim": 2, "conditions": 1}, {"ndim": 3}])
def test_scales_share_their_weights(knobs: dict[str, Any], tiny: Tiny) -> None:
    """Each further scale adds an embedding, and in each block a fusion gain and two norms."""
    depth, width = 3, 8
    counts = [
        sum(p.numel() for p in WaveLiT(tiny(scales=scales, depth=depth, **knobs)).parameters())
        for scales in (1, 2, 3)
    ]
    further = width + depth * (1 + 2 * 2 * width)
    assert [after - before for before, after in itertools.pairwise(counts)] == [
        further,
        further,
    ]
