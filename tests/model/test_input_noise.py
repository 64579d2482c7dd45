"""Noise of training: on the state that is continued, of the asked size, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.model.input_noise import with_noise
from wavelit_plugin.model.tokenizer import tokenize

NOISE = 0.3


def trained(
    rng: torch.Generator, space: tuple[int, ...], *, follows: bool = True, **knobs: Any
) -> WaveLiT:
    """A float64 model that has seen smooth fields, the next frame being near the last."""
    layout = ChannelLayout(fields=2, constants=1, frames=knobs.pop("frames", 1))
    config = WaveLiTConfig(
        in_channels=layout.in_channels,
        out_channels=2,
        layout=layout,
        ndim=len(space),
        width=8,
        heads=1,
        depth=1,
        boundary="periodic",
        noise=NOISE,
        **knobs,
    )
    u = fields(16, config, space, rng)
    after = u[:, -3:-1] + 0.1 if follows else torch.randn(u[:, :2].shape, generator=rng)
    model = WaveLiT(config).double()
    model.fit_statistics([(u, after.double())])
    return model


def fields(
    count: int, config: WaveLiTConfig, space: tuple[int, ...], rng: torch.Generator
) -> Tensor:
    rough = torch.randn(count, config.in_channels, *space, dtype=torch.float64, generator=rng)
    for axis in range(2, rough.ndim):
        rough = rough + rough.roll(1, axis) + rough.roll(2, axis)
    return 5.0 * rough


def added(model: WaveLiT, space: tuple[int, ...], count: int = 4000) -> Tensor:
    torch.manual_seed(0)
    u = torch.zeros(count, model.config.in_channels, *space, dtype=torch.float64)
    return with_noise(u, model.config, model.normalizer.bands, model.normalizer.scales)


@pytest.mark.parametrize(
    ("space", "knobs"), [((8,), {"levels": 2}), ((4, 8), {"levels": 1}), ((8, 8), {"levels": 2})]
)
def test_each_band_has_its_share_of_both_scales(
    space: tuple[int, ...], knobs: dict[str, Any], rng: torch.Generator
) -> None:
    model = trained(rng, space, **knobs)
    known, config = model.normalizer, model.config
    tokens = tokenize(added(model, space)[:, :2], config)
    power = tokens.square().flatten(0, -2).mean(0).unflatten(0, (2, -1))
    scale = known.input_scale[:2]
    field = known.bands.mean(scale.square()).sqrt()[:, None]
    # a uniform amplitude has a mean square of a third of the largest
    expected = known.bands.spread(NOISE**2 / 3 * scale * field)
    assert float((scale.amax(1) / scale.amin(1)).min()) > 1.5
    assert_close(power, expected, rtol=0.15, atol=0.0)


def test_with_fewer_levels_it_is_as_large_on_the_field(rng: torch.Generator) -> None:
    space = (8, 8)
    whole = trained(rng, space, levels=1)
    fewer = trained(rng.manual_seed(0), space, levels=3, least_tokens=16)
    whole = trained(rng.manual_seed(0), space, levels=1)
    assert fewer.config.levels_on(space) == 1
    powers = [added(model, space).square().mean((0, 2, 3)) for model in (whole, fewer)]
    assert_close(powers[1], powers[0], rtol=0.1, atol=0.0)


def test_constants_and_what_is_not_continued_are_left_alone(rng: torch.Generator) -> None:
    noise = added(trained(rng, (8, 8)), (8, 8), 8)
    assert bool(noise[:, :2].any())
    assert not bool(noise[:, 2].any())
    assert not bool(added(trained(rng, (8, 8), follows=False), (8, 8), 8).any())


def test_frames_get_a_random_walk(rng: torch.Generator) -> None:
    noise = added(trained(rng, (8,), frames=3), (8,))[:, :6].unflatten(1, (3, 2))
    power = noise.square().mean((0, 3))
    assert_close(power / power[-1], torch.tensor([[1.0], [2.0], [3.0]]).double().expand(3, 2) / 3,
                 rtol=0.1, atol=0.0)  # fmt: skip
    steps = noise.diff(dim=1)
    correlation = (noise[:, 0] * steps[:, 0]).mean() / (noise[:, 0] ** 2).mean()
    assert abs(float(correlation)) < 0.1


@pytest.mark.parametrize("space", [(7, 9), (5, 6)])
def test_a_model_is_disturbed_in_training_only(
    space: tuple[int, int], rng: torch.Generator
) -> None:
    model = trained(rng, space, levels=2)
    u = fields(2, model.config, space, rng)
    model.eval()
    assert_close(model(u), model(u), rtol=0.0, atol=0.0)
    expected = model(u)
    model.train()
    first, second = model(u), model(u)
    assert not torch.allclose(first, second)
    off = (first - expected).detach().square().mean().sqrt()
    # what persists carries the noise to the output
    assert 0.01 < float(off / u.std()) < NOISE


def test_without_it_no_random_number_is_drawn(
    build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build().train()
    u = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=rng)
    before = torch.get_rng_state()
    model(u)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf"), "0.1", True, None])
def test_a_size_that_is_none_is_refused(noise: object) -> None:
    with pytest.raises(ConfigError, match="noise must be"):
        WaveLiTConfig(in_channels=1, out_channels=1, noise=noise)  # type: ignore[arg-type]
