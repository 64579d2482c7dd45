"""Scalars that condition the blocks: shift, stretch and gate of both branches, adaLN-single."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.errors import DataError, ShapeError
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.attention import Places
from wavelit_plugin.model.block import Block
from wavelit_plugin.model.conditions import ConditionEmbedding
from wavelit_plugin.model.long_waves import WaveFunctions
from wavelit_plugin.model.normalizer import CONDITION_SAMPLES, Normalizer
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.shapes import Boundary

Tiny = Callable[..., WaveLiTConfig]
Awake = Callable[[nn.Module], nn.Module]
WIDTH = 8


def places_of(boundary: tuple[Boundary, ...], grid: tuple[int, ...]) -> Places:
    turned = rotation(wave_vectors(boundary, 2, WIDTH // 4).double(), grid)
    return Places(*turned, WaveFunctions(boundary).double()(grid))


def double(*shape: int, rng: torch.Generator) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_output_depends_on_every_condition_of_its_own_sample(
    ndim: int, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(ndim=ndim, conditions=3, pyramid_scales=2)
    u, condition = double(2, 2, *(4,) * ndim, rng=rng), double(2, 3, rng=rng)
    before = model(u, condition)
    for index in range(3):
        changed = condition.clone()
        changed[1, index] += 0.5
        difference = (model(u, changed) - before).detach().abs().flatten(1).amax(1)
        assert float(difference[0]) < 1e-12
        assert float(difference[1]) > 1e-6


def test_a_batch_without_samples_has_an_output_without_samples(
    build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    """A shard of a loader may be empty."""
    model = build(conditions=2, pyramid_scales=2)
    u, condition = double(0, 2, 5, 4, rng=rng), double(0, 2, rng=rng)
    assert model(u, condition).shape == (0, 1, 5, 4)


def test_a_model_without_conditions_takes_none_or_empty_rows(
    build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model, u = build(), double(2, 2, 4, 4, rng=rng)
    assert model.condition is None
    assert_close(model(u, torch.empty(2, 0)), model(u), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("conditions", "shape", "got"),
    [
        (2, None, "None"),
        (2, (2, 3), r"\(2, 3\)"),
        (2, (2,), r"\(2,\)"),
        (2, (1, 2), r"\(1, 2\)"),  # nothing is broadcast over the batch
        (0, (2, 1), r"\(2, 1\)"),
    ],
)
def test_conditions_of_another_shape_are_refused(
    conditions: int, shape: tuple[int, ...] | None, got: str, tiny: Tiny
) -> None:
    model = WaveLiT(tiny(conditions=conditions))
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    condition = None if shape is None else torch.zeros(shape)
    expected = rf"condition must have shape \(2, {conditions}\) .*, got {got};"
    with pytest.raises(ShapeError, match=expected):
        model.train()(torch.ones(2, 2, 4, 4), condition)
    for name, value in model.named_buffers():  # a refused call teaches nothing
        assert_close(value, buffers[name], rtol=0.0, atol=0.0)


def test_the_embedding_shows_each_scalar_and_its_octaves(tiny: Tiny, rng: torch.Generator) -> None:
    """x and sin, cos of 2^k pi x / 8, k < 8, then one hidden layer."""
    embedding = ConditionEmbedding(tiny(conditions=2)).double().eval()
    nn.init.normal_(embedding.output.weight, generator=rng)
    condition = double(3, 2, rng=rng)
    features: list[Tensor] = []
    for scalar in condition.T:
        phases = [scalar * 2**octave * torch.pi / 8 for octave in range(8)]
        features += [scalar, *(p.sin() for p in phases), *(p.cos() for p in phases)]
    hidden = embedding.hidden(torch.stack(features, dim=1))
    found = embedding(condition)
    # the octaves are made in float32
    blocks = embedding.blocks(hidden).reshape(3, 6, WIDTH)
    assert_close(found.blocks, blocks, rtol=1e-5, atol=1e-5)
    output = torch.cat([found.persistence, found.gain], dim=1)
    assert_close(output, embedding.output(hidden), rtol=1e-5, atol=1e-5)


def test_conditions_change_what_stays_of_the_state_and_the_size_of_the_update(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """mean + (a + p(c)) (u - mean) + (1 + g(c)) update, p and g zero at first."""
    model = WaveLiT(tiny(conditions=1, residual="on")).double().eval()
    assert model.condition is not None
    nn.init.normal_(model.head.linear.weight, generator=rng)  # an update that is not nearly zero
    u, condition = double(3, 2, 8, 8, rng=rng), double(3, 1, rng=rng)
    before = model(u, condition)
    known, state = model.normalizer.scales, u[:, : model.config.out_channels]
    kept = known.persistence.view(1, -1, 1, 1) * (state - known.state_mean.view(1, -1, 1, 1))
    update = before - kept - known.output_mean.view(1, -1, 1, 1)
    nn.init.normal_(model.condition.output.weight, generator=rng)
    p, g = (part[..., None, None] for part in model.condition(condition)[1:])
    expected = before + p * (state - known.state_mean.view(1, -1, 1, 1)) + g * update
    assert_close(model(u, condition), expected)


def test_a_longer_time_step_can_keep_less_of_the_state(tiny: Tiny, rng: torch.Generator) -> None:
    """Trained on u -> c u, it beats by far what the best single persistence can do."""
    torch.manual_seed(0)
    model = WaveLiT(tiny(conditions=1)).train()
    fields = model.config.out_channels
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        u, c = torch.randn(16, 2, 4, 4, generator=rng), torch.rand(16, 1, generator=rng)
        target = c[..., None, None] * u[:, :fields]
        error = (model(u, c, target=target) - target).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    # the variance of c, 1/12, is what the mean of c leaves
    assert float(error.detach()) < 1 / 12 / 4


@pytest.mark.parametrize("grid", [(5,), (3, 4), (2, 3, 2)])
def test_modulation_shifts_stretches_and_gates_both_branches(
    grid: tuple[int, ...], awake: Awake, rng: torch.Generator
) -> None:
    """x + s (1 + gate) F(shift + (1 + stretch) norm(x)), first attention, then feed-forward."""
    name: Boundary = "open"
    boundary = (name,) * len(grid)
    block = Block(WIDTH, 2, boundary, modulated=True).double()
    awake(block)
    assert block.offset is not None
    places = places_of(boundary, grid)
    x, modulation = double(3, *grid, WIDTH, rng=rng), double(3, 6, WIDTH, rng=rng)
    actual = block(x, places, modulation)
    for sample in range(3):
        s1, t1, g1, s2, t2, g2 = modulation[sample] + block.offset
        y = x[sample : sample + 1]
        y = y + block.position(y)
        change = block.attention(s1 + (1 + t1) * block.norms[0](y), places)
        y = y + block.steps[0] * (1 + g1) * change
        change = block.feed_forward(s2 + (1 + t2) * block.norms[1](y))
        y = y + block.steps[1] * (1 + g2) * change
        assert_close(actual[sample : sample + 1], y)


def test_without_modulation_the_branches_are_plain_residuals(
    awake: Awake, rng: torch.Generator
) -> None:
    block = Block(WIDTH, 2, ("periodic",), modulated=False).double()
    awake(block)
    places = places_of(("periodic",), (5,))
    x = double(3, 5, WIDTH, rng=rng)
    y = x + block.position(x)
    y = y + block.steps[0] * block.attention(block.norms[0](y), places)
    y = y + block.steps[1] * block.feed_forward(block.norms[1](y))
    assert_close(block(x, places), y)


def learned(tiny: Tiny, *batches: Tensor) -> tuple[Tensor, Tensor, Normalizer]:
    """Mean and scale of conditions after batches of samples whose fields vary."""
    config = tiny(conditions=batches[0].shape[1])
    normalizer = Normalizer(config).to(batches[0].dtype)
    found = normalizer.cleared()
    for batch in batches:
        u = torch.randn(len(batch), 2, 4, 4).to(batch.dtype)
        found = normalizer.learned(found, normalizer.observe(u, batch, u[:, :1]))
    return found.scales.condition_mean, found.scales.condition_scale, normalizer


def test_mean_and_scale_of_the_conditions_are_those_of_all_rows(
    tiny: Tiny, rng: torch.Generator
) -> None:
    rows = double(40, 2, rng=rng) * torch.tensor([1e3, 1e-2]).double() + 5e3
    mean, scale, _ = learned(tiny, *rows.split(8))
    assert_close(mean, rows.mean(0))
    # an offset of 5e5 of the spread costs twice as many digits
    assert_close(scale, rows.std(0, correction=0), rtol=1e-5, atol=0.0)


def test_the_units_of_the_conditions_do_not_matter(
    tiny: Tiny, step: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    u, rows = double(40, 2, 8, 8, rng=rng), double(40, 2, rng=rng)
    units, offset = torch.tensor([1e3, 1e-2]).double(), torch.tensor([5e3, 0.5]).double()
    first = WaveLiT(tiny(conditions=2)).double()
    nn.init.normal_(first.head.linear.weight, generator=rng)
    second = WaveLiT(first.config).double()
    second.load_state_dict(first.state_dict())
    step(first, u, rows, target=u[:, :1])
    step(second, u, rows * units + offset, target=u[:, :1])
    probe = double(3, 2, rng=rng)
    expected = first.eval()(u[:3], probe)
    assert float((expected - first(u[:3], probe + 1)).detach().abs().max()) > 1e-6
    # an offset of 5 of the spread costs as many digits
    found = second.eval()(u[:3], probe * units + offset)
    assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1])
def test_a_condition_that_never_varies_is_only_centred(value: float, tiny: Tiny) -> None:
    """Its variation is rounding; divided by it, the condition would be noise of order one."""
    batches = [torch.full((size, 1), value) for size in (3, 7, 5)]
    mean, scale, _ = learned(tiny, *batches)
    assert_close(mean, torch.tensor([value]))
    assert_close(scale, torch.ones(1), rtol=0.0, atol=0.0)


def test_mean_and_scale_of_conditions_freeze(tiny: Tiny, rng: torch.Generator) -> None:
    rows = torch.randn(CONDITION_SAMPLES, 1, generator=rng)
    frozen = learned(tiny, rows)[:2]
    assert_close(learned(tiny, rows, 100 + rows)[:2], frozen, rtol=0.0, atol=0.0)


def test_a_condition_that_is_not_finite_is_refused_in_training(
    tiny: Tiny, step: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    u = torch.randn(2, 2, 4, 4, generator=rng)
    condition = torch.tensor([[1.0], [float("nan")]])
    with pytest.raises(DataError, match="conditions of a training batch hold NaN"):
        step(WaveLiT(tiny(conditions=1)), u, condition, target=u[:, :1])
