"""Channels by their meaning: the last frame, the changes before it, the constants."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.model.frames import differences_and_constants, last_state, step_in_history

Tiny = Callable[..., WaveLiTConfig]
HISTORY = ChannelLayout(frames=3, fields=2, constants=1, frames_out=2)


@pytest.fixture
def config(request: pytest.FixtureRequest, tiny: Tiny) -> WaveLiTConfig:
    return tiny(ndim=request.param, in_channels=7, out_channels=4, layout=HISTORY)


def field(ndim: int, rng: torch.Generator) -> Tensor:
    return torch.randn(2, 7, *(4,) * ndim, dtype=torch.float64, generator=rng)


every_dimension = pytest.mark.parametrize("config", [1, 2, 3], indirect=True)


@every_dimension
def test_a_history_enters_as_its_last_frame_and_the_changes_before(
    config: WaveLiTConfig, rng: torch.Generator
) -> None:
    """Channels (a0 b0 a1 b1 a2 b2 k), oldest first, become (a2 b2, a2-a1 b2-b1, a1-a0 b1-b0, k)."""
    u = field(config.ndim, rng)
    a0, b0, a1, b1, a2, b2, k = u.unbind(1)
    expected = torch.stack([a2, b2, a2 - a1, b2 - b1, a1 - a0, b1 - b0, k], dim=1)
    assert_close(differences_and_constants(u, config), expected, rtol=0.0, atol=0.0)


@every_dimension
def test_every_predicted_frame_continues_the_last_one(
    config: WaveLiTConfig, rng: torch.Generator
) -> None:
    u = field(config.ndim, rng)
    _, _, a1, b1, a2, b2, _ = u.unbind(1)
    assert_close(last_state(u, config), torch.stack([a2, b2, a2, b2], dim=1), rtol=0.0, atol=0.0)
    step = step_in_history(u, config)
    assert step is not None
    assert_close(step[0], torch.stack([a1, b1, a1, b1], dim=1), rtol=0.0, atol=0.0)
    assert_close(step[1], torch.stack([a2, b2, a2, b2], dim=1), rtol=0.0, atol=0.0)


def test_differences_of_half_precision_frames_are_taken_in_float32(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """Frames that differ by one unit in the last place: bf16 would round the difference's users."""
    config = tiny(layout=ChannelLayout(frames=2, fields=1))
    u = torch.randn(2, 2, 4, 4, generator=rng).bfloat16()
    seen = differences_and_constants(u, config)
    assert seen.dtype == torch.float32
    assert_close(seen[:, 1], u[:, 1].float() - u[:, 0].float(), rtol=0.0, atol=0.0)


def test_one_frame_enters_as_it_is(tiny: Tiny, rng: torch.Generator) -> None:
    u = torch.randn(2, 3, 4, 4, generator=rng)
    for layout in (
        None,
        ChannelLayout(fields=0, constants=3),
        ChannelLayout(fields=1, constants=2),
    ):
        config = tiny(in_channels=3, layout=layout)
        assert differences_and_constants(u, config) is u
        assert step_in_history(u, config) is None


def test_without_corresponding_fields_nothing_is_continued(
    tiny: Tiny, rng: torch.Generator
) -> None:
    config = tiny(in_channels=1, out_channels=3)  # the default layout where there are more outputs
    u = torch.randn(2, 1, 4, 4, generator=rng)
    assert config.channels == ChannelLayout(fields=0, constants=1)
    assert_close(last_state(u, config), torch.zeros(2, 3, 4, 4), rtol=0.0, atol=0.0)
    assert WaveLiT(config).persistence is None


def test_by_default_the_first_channels_are_the_fields(tiny: Tiny, rng: torch.Generator) -> None:
    config = tiny(in_channels=5, out_channels=2)
    u = torch.randn(2, 5, 4, 4, generator=rng)
    assert config.channels == ChannelLayout(fields=2, constants=3)
    assert_close(last_state(u, config), u[:, :2], rtol=0.0, atol=0.0)


@every_dimension
def test_a_model_with_a_history_predicts_and_learns_every_frame(
    config: WaveLiTConfig, rng: torch.Generator
) -> None:
    model, u = WaveLiT(config).double().train(), field(config.ndim, rng)
    target = torch.cat([u[:, 4:6], u[:, 4:6]], dim=1) + 0.1
    out = model(u, target=target)
    assert out.shape == target.shape
    out.square().mean().backward()
    # the state of each output is what it continues
    assert_close(model.normalizer.persistence, torch.ones(4, dtype=torch.float64))
    mean = u[:, 4:6].mean(dim=(0, *range(2, u.ndim)))
    assert_close(model.normalizer.state_mean, mean.repeat(2))
    assert_close(model.normalizer.output_mean, mean.repeat(2) + 0.1)


def test_components_of_a_vector_share_their_band_scales() -> None:
    """One scale per band for both velocities, in every frame; the scalar keeps its own."""
    layout = ChannelLayout(frames=2, fields=3, vectors=((1, 2),), names=("p", "v_x", "v_y"))
    config = WaveLiTConfig(
        in_channels=6, out_channels=3, width=8, heads=1, depth=1, layout=layout, residual="on"
    )
    model = WaveLiT(config).train()
    rng = torch.Generator().manual_seed(0)
    u = torch.randn(8, 6, 8, 8, generator=rng) * torch.tensor([1.0, 1, 7, 1, 1, 7])[:, None, None]
    target = torch.randn(8, 3, 8, 8, generator=rng) * torch.tensor([1.0, 1, 7])[:, None, None]
    model(u, target=target).sum().backward()
    scale = model.normalizer.input_scale
    for scalar, x, y in ((0, 1, 2), (3, 4, 5)):
        assert_close(scale[x], scale[y], rtol=0.0, atol=0.0)
        assert not torch.allclose(scale[scalar], scale[x])
    mean_square = (u[:, 4].var() + u[:, 5].var()) / 2
    assert_close(model.normalizer.field_scales()[0][1] ** 2, mean_square, rtol=0.05, atol=0.0)
    assert_close(model.normalizer.output_scale[1], model.normalizer.output_scale[2])
    assert float(model.normalizer.persistence[1]) == float(model.normalizer.persistence[2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": ((0, 3),)}, r"groups of different fields 0\.\.2"),
        ({"vectors": ((0, 1), (1, 2))}, "name each field at most once"),
        ({"names": ("p", "v")}, "must name all 3 fields"),
    ],
)
def test_vectors_and_names_must_fit_the_fields(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ChannelLayout(fields=3, **changes)


def test_vectors_and_names_survive_plain_types() -> None:
    layout = ChannelLayout(fields=3, vectors=((1, 2),), names=("p", "v_x", "v_y"))
    config = WaveLiTConfig(in_channels=3, out_channels=3, width=8, heads=1, layout=layout)
    plain = json.loads(json.dumps(config.as_dict()))
    assert WaveLiTConfig.from_dict(plain) == config
