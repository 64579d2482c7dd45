"""What the model learns about its data: when, how exactly, and that it then stays as it is."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, DataError, ShapeError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

Tiny = Callable[..., WaveLiTConfig]
Step = Callable[..., WaveLiT]
# 64 samples of 256 points: a correlation is off by 1/sqrt(16384) = 0.008, a scale by as much
SAMPLES, SIDE, CLOSE = 64, 16, 0.04


def noise(channels: int, rng: torch.Generator, ndim: int = 2) -> Tensor:
    space = {1: (256,), 2: (16, 16), 3: (8, 8, 4)}[ndim]
    return torch.randn(SAMPLES, channels, *space, generator=rng)


def stationary(
    correlation: float, frames: int, rng: torch.Generator, ndim: int = 2
) -> list[Tensor]:
    """AR(1) frames of one field with unit variance, oldest first."""
    states = [noise(1, rng, ndim)]
    for _ in range(frames - 1):
        step = math.sqrt(1 - correlation**2) * noise(1, rng, ndim)
        states.append(correlation * states[-1] + step)
    return states


def learned(config: WaveLiTConfig, u: Tensor, target: Tensor | None = None) -> WaveLiT:
    model = WaveLiT(config).train()
    model(u, target=target).square().mean().backward()
    return model


def buffers(model: WaveLiT) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.named_buffers()}


def assert_same(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert_close(after[name], value, rtol=0.0, atol=0.0, msg=f"{name} changed")


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("correlation", [0.7, 0.95])
def test_a_stationary_field_persists_by_its_correlation(
    correlation: float, ndim: int, tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = stationary(correlation, 2, rng, ndim)
    known = learned(tiny(ndim=ndim, in_channels=1), 5 + 3 * u, 5 + 3 * target).normalizer
    assert_close(known.persistence, torch.tensor([correlation]), rtol=0.0, atol=CLOSE)
    # what is left to predict is the innovation, equally strong in every band
    innovation = 3 * math.sqrt(1 - correlation**2)
    expected = torch.full_like(known.output_scale, innovation)
    assert_close(known.output_scale, expected, rtol=0.1, atol=0.0)  # 1/sqrt(2 * 1024) a band


def test_the_history_shows_the_persistence_where_no_target_does(
    tiny: Tiny, rng: torch.Generator
) -> None:
    layout = ChannelLayout(frames=2, fields=1)
    u = torch.cat(stationary(0.8, 2, rng), dim=1)
    known = learned(tiny(layout=layout), u).normalizer
    assert_close(known.persistence, torch.tensor([0.8]), rtol=0.0, atol=CLOSE)
    innovation = torch.full_like(known.output_scale, 0.6)
    assert_close(known.output_scale, innovation, rtol=0.1, atol=0.0)


@pytest.mark.parametrize(
    ("residual", "correlation", "expected"),
    [
        ("auto", 0.0, 0.0),  # another quantity
        ("auto", 0.3, 0.0),  # too loose to be a continuation
        ("on", 0.3, 0.3),
        ("off", 0.95, 0.0),
    ],
)
def test_the_residual_option_decides_whether_a_loose_field_persists(
    residual: str, correlation: float, expected: float, tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = stationary(correlation, 2, rng)
    known = learned(tiny(in_channels=1, residual=residual), u, target).normalizer
    assert_close(
        known.persistence, torch.tensor([expected]), rtol=0.0, atol=CLOSE if expected else 0
    )
    left = math.sqrt(1 - expected**2)
    assert_close(known.output_scale, torch.full_like(known.output_scale, left), rtol=0.1, atol=0.0)


@pytest.mark.parametrize("residual", ["auto", "off"])
def test_an_output_in_far_smaller_units_is_measured_as_well(
    residual: str, tiny: Tiny, rng: torch.Generator
) -> None:
    """In float32 the square of a ratio of 1e6 leaves nothing of the smaller one in any sum."""
    u, target = 1e5 + 1e3 * noise(1, rng), 1e-3 + 1e-3 * noise(1, rng)
    known = learned(tiny(in_channels=1, residual=residual), u, target).normalizer
    assert_close(known.persistence, torch.zeros(1), rtol=0.0, atol=0.0)
    assert_close(known.output_mean, torch.tensor([1e-3]), rtol=0.0, atol=CLOSE * 1e-3)
    assert_close(known.output_scale, torch.full_like(known.output_scale, 1e-3), rtol=0.1, atol=0.0)


def test_a_growing_field_persists_once_and_a_reversed_one_not_at_all(
    tiny: Tiny, rng: torch.Generator
) -> None:
    u = noise(2, rng)
    target = u * torch.tensor([2.0, -1.0]).view(1, 2, 1, 1)
    known = learned(tiny(out_channels=2, residual="on"), u, target).normalizer
    assert_close(known.persistence, torch.tensor([1.0, 0.0]), rtol=0.0, atol=0.0)


def test_without_target_or_history_a_residual_model_assumes_a_fixed_change(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """r = 0.3 of the deviation, so a = 1 - r^2/2, and the update has sigma sqrt(1 - a^2)."""
    with pytest.warns(UserWarning, match="the scale of the output is not known"):
        known = learned(tiny(in_channels=1, residual="on"), 7 + 2 * noise(1, rng)).normalizer
    a = 1 - 0.3**2 / 2
    assert_close(known.persistence, torch.tensor([a]))
    expected = torch.full_like(known.output_scale, 2 * math.sqrt(1 - a**2))
    assert_close(known.output_scale, expected, rtol=0.1, atol=0.0)
    assert_close(known.output_mean, torch.tensor([7.0]), rtol=0.0, atol=2 * CLOSE)


def test_the_prediction_starts_at_the_mean_and_the_persistent_part_of_the_state(
    tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = stationary(0.8, 2, rng)
    model = learned(tiny(in_channels=1), u + 4, 3 * target - 1)
    torch.nn.init.zeros_(model.head.linear.weight)
    a = model.normalizer.persistence
    expected = (3 * target - 1).mean() + a * (u - u.mean())
    assert_close(model.eval()(u + 4), expected, rtol=1e-4, atol=1e-4)  # float32, means of 4


def test_a_smooth_field_keeps_two_percent_of_its_size_as_the_least_scale(tiny: Tiny) -> None:
    line = torch.linspace(-1, 1, 256)[None, None]
    known = learned(tiny(ndim=1, in_channels=1), line, line).normalizer
    assert_close(known.input_scale[0, 1], 0.02 * line.square().mean().sqrt(), rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("constant", [0.0, 0.1, 3000.1])
def test_a_constant_channel_keeps_its_units(
    constant: float, tiny: Tiny, rng: torch.Generator
) -> None:
    """Its variation is rounding; divided by it, the channel would be noise of order one."""
    u = noise(2, rng)
    u[:, 1] = constant
    model = learned(tiny(out_channels=2), u, u)
    known = model.normalizer
    for scale in (known.input_scale, known.output_scale):
        assert_close(scale[1], torch.ones_like(scale[1]), rtol=0.0, atol=0.0)
    out = model(u, target=u)
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert_close(out[:, 1], u[:, 1], rtol=0.0, atol=0.05 + 1e-6 * constant)


def test_statistics_freeze_after_256_samples(tiny: Tiny, step: Step, rng: torch.Generator) -> None:
    model = WaveLiT(tiny(ndim=1)).train()
    u = torch.randn(256, 2, 8, generator=rng)
    for part in (u[:128], u[128:255]):
        step(model, part, target=part[:, :1])
    assert not model.normalizer.frozen
    step(model, u[255:], target=u[255:, :1])
    assert model.normalizer.frozen
    before = buffers(model)
    step(model, 2 * u, target=2 * u[:, :1])
    assert_same(before, buffers(model))


@pytest.mark.parametrize("training", [True, False])
def test_frozen_statistics_make_samples_independent_of_their_batch(
    training: bool, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(pyramid_scales=2).train(training)
    u = torch.randn(3, 2, 8, 8, dtype=torch.float64, generator=rng)
    assert_close(model(torch.cat([u, 5 * u]))[:3], model(u), rtol=1e-12, atol=1e-12)


def test_evaluation_never_changes_a_buffer(tiny: Tiny, step: Step, rng: torch.Generator) -> None:
    model = WaveLiT(tiny()).eval()
    u = noise(2, rng)
    before = buffers(model)
    model(u, target=u[:, :1])
    assert_same(before, buffers(model))
    step(model, u, target=u[:, :1])
    before = buffers(model)
    model.eval()(5 + u, target=u[:, :1])
    assert_same(before, buffers(model))


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_travel_in_the_state_dict(
    frozen: bool, tiny: Tiny, step: Step, rng: torch.Generator
) -> None:
    """A copy goes on where the original would have."""
    u = noise(2, rng)
    model = learned(tiny(), u[:20], u[:20, :1])
    if frozen:
        model.normalizer.freeze()
    copy = WaveLiT(tiny()).train()
    copy.load_state_dict(model.state_dict())
    assert copy.normalizer.frozen is frozen
    for one in (model, copy):
        step(one, 2 + 2 * u, target=u[:, :1])
    assert_same(buffers(model), buffers(copy))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["input", "target"])
def test_values_that_are_not_finite_are_refused_and_change_nothing(
    where: str, value: float, tiny: Tiny, rng: torch.Generator
) -> None:
    good = noise(2, rng)
    model = learned(tiny(), good, good[:, :1])
    u, target = good.clone(), good[:, :1].clone()
    broken = u if where == "input" else target
    broken[3, -1, 2, 5] = value
    before = buffers(model)
    expected = f"the training {where} holds 1 NaN or infinite values"
    with pytest.raises(DataError, match=expected):
        model(u, target=target)
    assert_same(before, buffers(model))
    with pytest.raises(DataError, match=expected):
        model.fit_statistics([(3 * good, good[:, :1]), (u, target)])
    assert_same(before, buffers(model))


def test_the_error_names_the_channels_that_are_not_finite(tiny: Tiny, rng: torch.Generator) -> None:
    u = noise(3, rng)
    u[:, 2, 0, 0] = math.nan
    u[0, 0] = math.inf
    target = u[:, 1:2]
    with pytest.raises(DataError, match=r"holds 320 NaN .* in channels \[0, 2\]"):
        learned(tiny(in_channels=3), u, target)


def forms(u: Tensor, target: Tensor) -> list[Iterable[Any]]:
    halves = list(zip(u.split(32), target.split(32), strict=True))
    return [halves, [list(pair) for pair in halves], [{"x": x, "y": y} for x, y in halves]]


@pytest.mark.parametrize("form", [0, 1, 2])
def test_fitting_on_a_loader_equals_one_batch_of_everything(
    form: int, tiny: Tiny, rng: torch.Generator
) -> None:
    u = noise(2, rng)
    target = 0.9 * u[:, :1] + 0.1 * noise(1, rng)
    model = learned(tiny(), 100 + 50 * u, target)  # to be forgotten
    model.fit_statistics(forms(u, target)[form])
    once = learned(tiny(), u, target)
    assert model.normalizer.frozen
    for name in ("input_mean", "input_scale", "output_mean", "output_scale", "persistence"):
        # merged in float32
        assert_close(getattr(model.normalizer, name), getattr(once.normalizer, name), msg=name)


def test_fitting_uses_the_whole_loader(tiny: Tiny, rng: torch.Generator) -> None:
    model = WaveLiT(tiny(ndim=1))
    u = torch.randn(512, 2, 8, generator=rng)
    u[256:] += 100
    model.fit_statistics(u.split(256))
    assert int(model.normalizer.inputs.samples) == 512
    assert_close(model.normalizer.input_mean, u.mean((0, 2)))


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ([], "the loader yields no batch"),
        ([torch.ones(8, 2, 8)], "the loader yields no batch in which a field varies"),
        (["text"], "got str"),
        ([{"u": torch.zeros(1, 2, 8)}], "got dict"),
        ([[]], "got list"),
    ],
)
def test_a_loader_that_cannot_be_used_is_refused(
    loader: list[object], message: str, tiny: Tiny
) -> None:
    model = WaveLiT(tiny(ndim=1))
    before = buffers(model)
    with pytest.raises(ConfigError, match=message):
        model.fit_statistics(loader)
    assert_same(before, buffers(model))
    assert not model.normalizer.frozen


def test_a_target_of_another_shape_is_refused(tiny: Tiny) -> None:
    model = WaveLiT(tiny(ndim=1)).train()
    with pytest.raises(ShapeError, match=r"output's shape \(3, 1, 8\) .*, got \(3, 2, 8\)"):
        model(torch.zeros(3, 2, 8), target=torch.zeros(3, 2, 8))
