"""The wavelet tokenizer: nothing is lost, nothing is spread, and each coefficient has its place.

References are written here from the definition of the Haar functions: products over the axes of
a square wave of period 2**level (the high half) or a constant (the low half).
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiTConfig
from wavelit_plugin.model.embedding import BandEmbedding, BandHead
from wavelit_plugin.model.tokenizer import Bands, detokenize, tokenize

Tiny = Callable[..., WaveLiTConfig]

CASES: list[dict[str, Any]] = [
    {"boundary": "open", "levels": 1},
    {"boundary": "open", "levels": 2},
    {"boundary": "periodic", "levels": 2, "wavelet": "db2"},
]
ODD = [(9,), (1,), (7, 10), (3, 1), (3, 5, 2), (1, 4, 7)]


def field(space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, 3, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("space", [(8,), (8, 12), (4, 8, 4), *ODD])
def test_tokens_hold_the_whole_field(
    space: tuple[int, ...], case: dict[str, Any], tiny: Tiny, rng: torch.Generator
) -> None:
    config = tiny(ndim=len(space), in_channels=3, **case)
    u = field(space, rng)
    # rounding, and the 1e-12 to which the taps of db2 are orthonormal
    assert_close(detokenize(tokenize(u, config), space, config), u, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("space", [(8,), (8, 12), (4, 8, 4)])
def test_tokens_keep_the_energy_and_the_number_of_values(
    space: tuple[int, ...], case: dict[str, Any], tiny: Tiny, rng: torch.Generator
) -> None:
    u = field(space, rng)
    tokens = tokenize(u, tiny(ndim=len(space), in_channels=3, **case))
    assert tokens.numel() == u.numel()
    assert_close(tokens.square().sum(), u.square().sum(), rtol=1e-11, atol=0.0)


@pytest.mark.parametrize(
    ("space", "levels"), [((16,), 2), ((8, 12), 1), ((8, 4), 2), ((4, 4, 8), 2)]
)
def test_an_impulse_excites_its_own_token_alone(
    space: tuple[int, ...], levels: int, tiny: Tiny
) -> None:
    points = math.prod(space)
    impulses = torch.eye(points, dtype=torch.float64).reshape(points, 1, *space)
    tokens = tokenize(impulses, tiny(ndim=len(space), in_channels=1, levels=levels))
    excited = tokens.abs().amax(-1) > 0
    for point, at in enumerate(itertools.product(*map(range, space))):
        own = tuple(index // 2**levels for index in at)
        assert [tuple(token) for token in excited[point].nonzero().tolist()] == [own]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_each_haar_function_lies_in_the_band_of_its_level_and_orientation(
    ndim: int, tiny: Tiny
) -> None:
    levels, size = 2, 8
    bands = Bands(ndim, levels)
    config = tiny(ndim=ndim, in_channels=2, levels=levels)
    for level, orientation in itertools.product(range(1, levels + 1), range(1, 2**ndim)):
        u = torch.zeros(1, 2, *(size,) * ndim, dtype=torch.float64)
        u[:, 1] = haar_function(level, orientation, ndim, size)
        tokens = tokenize(u, config).flatten(0, -2).abs().amax(0).unflatten(0, (2, -1))
        place = 1 + (levels - level) * (2**ndim - 1) + orientation - 1
        inside = bands.spread(torch.eye(bands.count, dtype=torch.float64)[place])
        # every coefficient of the band is excited alike, none outside of it, nor another channel
        expected = torch.stack([0 * inside, 2.0 ** (ndim * level / 2) * inside])
        assert_close(tokens, expected, rtol=0.0, atol=1e-12)


def haar_function(level: int, orientation: int, ndim: int, size: int) -> Tensor:
    """Square waves along the axes whose binary digit is set, the first axis leading."""
    wave = 1.0 - 2.0 * ((torch.arange(size) >> (level - 1)) & 1).double()
    axes = [
        wave if orientation >> (ndim - 1 - axis) & 1 else torch.ones(size, dtype=torch.float64)
        for axis in range(ndim)
    ]
    product = axes[0]
    for axis in axes[1:]:
        product = product[..., None] * axis
    return product


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_bands_share_out_the_coefficients_of_a_token(
    ndim: int, levels: int, rng: torch.Generator
) -> None:
    bands = Bands(ndim, levels)
    assert len(bands.sizes) == bands.count == 1 + levels * (2**ndim - 1)
    values = torch.randn(3, bands.count, dtype=torch.float64, generator=rng)
    columns = [values[:, band] for band, size in enumerate(bands.sizes) for _ in range(size)]
    assert len(columns) == 2 ** (ndim * levels)
    assert_close(bands.spread(values), torch.stack(columns, dim=1), rtol=0.0, atol=0.0)
    assert_close(bands.mean(values), torch.stack(columns).mean(0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_embedding_with_scales_divides_the_coefficients(
    ndim: int, boundary: str, tiny: Tiny, rng: torch.Generator
) -> None:
    config = tiny(ndim=ndim, levels=2, boundary=boundary)
    embed, bands = BandEmbedding(config).double(), Bands(ndim, 2)
    scale = 0.1 + torch.rand(2, bands.count, dtype=torch.float64, generator=rng)
    tokens = tokenize(field((8,) * ndim, rng)[:, :2], config)
    divided = tokens / bands.spread(scale).flatten()
    assert_close(embed(tokens, scale), embed(divided, torch.ones_like(scale)))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_each_predicted_band_has_its_own_scale_and_gain(
    ndim: int, tiny: Tiny, rng: torch.Generator
) -> None:
    head, bands = BandHead(tiny(ndim=ndim, out_channels=2, levels=2)).double(), Bands(ndim, 2)
    x = torch.randn(2, *(2,) * ndim, 8, dtype=torch.float64, generator=rng)
    scale, gain = torch.rand(2, 2, bands.count, dtype=torch.float64, generator=rng)
    plain = head(x, torch.ones_like(scale)).unflatten(-1, (2, -1))
    head.gain.data.copy_(gain)
    scaled = head(x, scale).unflatten(-1, (2, -1))
    sizes = torch.tensor(bands.sizes)
    assert_close(scaled, plain * (scale * gain).repeat_interleave(sizes, dim=-1))


@pytest.mark.parametrize("boundary", ["open", "wall"])
def test_tokens_see_where_the_ends_of_an_axis_are(
    boundary: str, tiny: Tiny, rng: torch.Generator
) -> None:
    """Position -1..1 at cell centres, and the distance to the nearer end, on axes with ends."""
    config = tiny(boundary=("periodic", boundary))
    embed = BandEmbedding(config).double()
    assert embed.position is not None
    seen = embed(torch.zeros(1, 2, 4, 8, dtype=torch.float64), torch.ones(2, 4).double())
    position = torch.tensor([-0.75, -0.25, 0.25, 0.75], dtype=torch.float64)
    distance = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=torch.float64)
    row = torch.stack([position, distance], dim=1) @ embed.position.weight.T + embed.linear.bias
    assert_close(seen, row.expand(1, 2, 4, 8))


def test_tokens_of_periodic_domains_see_no_place(tiny: Tiny) -> None:
    assert BandEmbedding(tiny(boundary="periodic")).position is None
