"""Small training grids use fewer wavelet levels, and nothing else about the model changes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.tokenizer import detokenize, tokenize

Tiny = Callable[..., WaveLiTConfig]
Awake = Callable[[nn.Module], nn.Module]

SPACES = [(12,), (8, 12), (5, 9), (4, 6, 8)]


def field(space: tuple[int, ...], rng: torch.Generator, channels: int = 2) -> Tensor:
    return torch.randn(3, channels, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize(
    ("space", "levels"),
    [((16, 16), 1), ((32, 32), 2), ((48, 24), 2), ((64, 64), 3), ((96, 48), 3), ((256,) * 2, 3)],
)
def test_a_preset_keeps_64_tokens_where_it_can(space: tuple[int, int], levels: int) -> None:
    config = WaveLiTConfig.preset("waveliT", in_channels=1, out_channels=1)
    assert config.levels_on(space) == levels
    assert levels == 1 or space[0] * space[1] >= 64 * 4**levels


@pytest.mark.parametrize("space", SPACES)
def test_absent_bands_are_those_of_a_field_that_is_constant_in_each_cell(
    space: tuple[int, ...], tiny: Tiny, rng: torch.Generator
) -> None:
    config, u = tiny(ndim=len(space), levels=3), field(space, rng)
    padded = u
    for axis, size in enumerate(space, start=2):  # to whole tokens, as the tokenizer would
        index = torch.arange(size + -size % 2).clamp(max=size - 1)
        padded = padded.index_select(axis, index)
    finer = padded
    for axis in range(2, u.ndim):
        finer = finer.repeat_interleave(4, dim=axis)
    assert_close(tokenize(u, config, levels=1), tokenize(finer, config), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("space", SPACES)
def test_tokens_of_fewer_levels_hold_the_whole_field(
    space: tuple[int, ...], levels: int, tiny: Tiny, rng: torch.Generator
) -> None:
    config, u = tiny(ndim=len(space), levels=3), field(space, rng)
    again = detokenize(tokenize(u, config, levels), space, config, levels)
    assert_close(again, u, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("space", [(16,), (8, 8), (4, 8, 4)])
def test_the_model_is_the_one_with_fewer_levels(
    space: tuple[int, ...], tiny: Tiny, awake: Awake, rng: torch.Generator
) -> None:
    """The same function, with the same weights in the columns that are used."""
    ndim, u = len(space), field(space, rng)
    knobs: dict[str, Any] = {"ndim": ndim, "residual": "off", "texture": False}
    large = awake(WaveLiT(tiny(levels=2, least_tokens=10**6, **knobs)).double())
    small = WaveLiT(tiny(levels=1, **knobs)).double()
    assert isinstance(large, WaveLiT)
    small.load_state_dict(as_small(large.state_dict(), ndim))
    with torch.no_grad():
        # the columns in use are as large together as all; the bands' scales take that back
        small.embed.linear.weight.mul_(2.0 ** (ndim / 2))
        for model in (large, small):
            for parameter in model.pyramid.parameters():
                parameter.zero_()
    pair = [(u, u[:, :1].roll(1, dims=2))]
    small.fit_statistics(pair)
    large.fit_statistics(pair)
    assert_close(large.eval()(u), small.eval()(u), rtol=0.0, atol=1e-9)
    # both see fields in these units, to which the floors of absent bands add a little
    for ours, its in zip(
        large.normalizer.field_scales(), small.normalizer.field_scales(), strict=True
    ):
        assert_close(ours, its, rtol=0.02**2 / 2, atol=0.0)


def as_small(state: dict[str, Tensor], ndim: int) -> dict[str, Tensor]:
    """The weights and buffers of two levels that one level has too."""
    used, bands = 2**ndim, 2**ndim
    found = dict(state)
    columns = state["embed.linear.weight"].unflatten(1, (2, -1))[:, :, :used]
    found["embed.linear.weight"] = columns.flatten(1)
    for name in ("head.linear.weight", "head.linear.bias"):
        found[name] = state[name][:used]
    for name, value in state.items():
        if name.endswith(("head.gain", "scale", "products")):
            found[name] = value[..., :bands]
    return found


def test_the_training_grid_decides_on_every_other_grid(tiny: Tiny, rng: torch.Generator) -> None:
    """Without realignment a finer grid has more tokens, each of as many points as in training."""
    config = tiny(levels=3, least_tokens=16, resolution="native", residual="off")
    model = WaveLiT(config).double()
    u = field((8, 8), rng)
    model.train()(u, target=u[:, :1]).sum().backward()
    grids: list[tuple[int, ...]] = []
    model.embed.register_forward_hook(lambda _m, _i, out: grids.append(tuple(out.shape[1:-1])))
    for size in (8, 16, 32):
        model.eval()(field((size, size), rng))
    assert grids == [(4, 4), (8, 8), (16, 16)]


def test_what_is_not_used_gets_a_gradient_of_zero(tiny: Tiny, rng: torch.Generator) -> None:
    """Not None, which DistributedDataParallel would take for a parameter that is never used."""
    model = WaveLiT(tiny(levels=2, least_tokens=10**6, residual="off")).double()
    u = field((8, 8), rng)
    model(u, target=u[:, :1]).square().mean().backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    missing = [name for name, gradient in gradients.items() if gradient is None]
    assert missing == []
    embed = gradients["embed.linear.weight"]
    assert embed is not None
    columns = embed.unflatten(1, (2, -1))
    assert (columns[:, :, 4:] == 0).all()
    assert (columns[:, :, :4] != 0).any()


def test_a_number_of_tokens_below_one_is_refused(tiny: Tiny) -> None:
    with pytest.raises(ConfigError, match="least_tokens must be a whole number of at least 1"):
        tiny(least_tokens=0)
