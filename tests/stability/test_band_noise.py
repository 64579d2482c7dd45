"""Noise of the model's own band error: its spectrum, its estimate, and what it leaves alone."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.stability import BandNoise, band_noise, band_power
from wavelit_plugin.wavelets import dwt

SPACES = [(64,), (32, 16), (8, 16, 8)]


def powers(fields: int, ndim: int, levels: int) -> Tensor:
    """Powers over four decades, another for every field and band."""
    bands = 1 + levels * (2**ndim - 1)
    return torch.logspace(-2, 2, fields * bands).reshape(fields, bands).flip(1)


def counts(batch: int, space: tuple[int, ...], levels: int) -> Tensor:
    """Coefficients of each band in a batch, from the sizes alone."""
    points, ndim = torch.tensor(space).prod(), len(space)
    each = [batch * points / 2 ** (ndim * level) for level in range(1, levels + 1)]
    return torch.stack([each[-1], *(n for n in each for _ in range(2**ndim - 1))])


def assert_spectrum(measured: Tensor, expected: Tensor, number: Tensor) -> None:
    """The mean of n squares of a normal number is off by sqrt(2/n) of it, here by five of these."""
    deviation = (measured / expected - 1).abs() / (2 / number).sqrt()
    assert float(deviation.max()) < 5
    # and it is drawn, not set
    assert float(deviation.max()) > 0.1


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("amplitude", [0.5, 2.0])
def test_every_band_of_the_noise_has_the_power_of_the_error_times_the_amplitude_squared(
    space: tuple[int, ...], amplitude: float, rng: torch.Generator
) -> None:
    ndim, levels, batch = len(space), 2, 400
    noise = BandNoise(2, ndim=ndim, amplitude=amplitude, levels=levels, decay=0.0)
    residual = band_noise(powers(2, ndim, levels), batch, space, levels=levels, generator=rng)
    noise.update(residual)
    drawn = noise(torch.zeros(batch, 2, *space), rng)
    # written out with dwt instead of band_power
    found = dwt(drawn, levels=levels)
    bands = [found.approximation, *(b for d in found.details for b in d.unbind(2))]
    measured = torch.stack([b.square().mean(dim=(0, *range(2, b.ndim))) for b in bands], dim=1)
    known = dwt(residual, levels=levels)
    wanted = [known.approximation, *(b for d in known.details for b in d.unbind(2))]
    expected = torch.stack([b.square().mean(dim=(0, *range(2, b.ndim))) for b in wanted], dim=1)
    assert_spectrum(measured, amplitude**2 * expected, counts(batch, space, levels))


@pytest.mark.parametrize("space", SPACES)
def test_bands_are_drawn_with_the_powers_that_were_asked_for(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    wanted = powers(3, len(space), 3)
    drawn = band_noise(wanted, 300, space, generator=rng)
    assert_spectrum(band_power(drawn), wanted, counts(300, space, 3))


@pytest.mark.parametrize("size", [13, 16])
def test_a_white_residual_makes_white_noise(size: int, rng: torch.Generator) -> None:
    noise = BandNoise(1, ndim=1, levels=2)
    for _ in range(20):
        noise.update(0.3 * torch.randn(500, 1, size, generator=rng))
    drawn = noise(torch.zeros(20000, 1, size), rng)[:, 0]
    covariance = drawn.T @ drawn / len(drawn)
    # 20000 samples: 0.7 % of the variance at most places, 1 % on the diagonal, up to five of these,
    # and the estimate's own deviation
    assert_close(covariance, 0.09 * torch.eye(size), rtol=0.0, atol=0.05 * 0.09)


def test_the_coefficients_of_different_bands_and_fields_are_independent(
    rng: torch.Generator,
) -> None:
    drawn = band_noise(powers(2, 1, 2), 20000, (8,), levels=2, generator=rng)
    found = dwt(drawn, levels=2)
    parts = [found.approximation, *(detail[:, :, 0] for detail in found.details)]
    rows = torch.cat([part.flatten(1) for part in parts], dim=1)
    correlation = torch.corrcoef(rows.T)
    # off the diagonal they are off zero by 1 / sqrt(20000), up to five of these
    assert_close(correlation, torch.eye(len(correlation)), rtol=0.0, atol=0.036)


def test_no_amplitude_and_no_estimate_change_nothing(rng: torch.Generator) -> None:
    u = torch.randn(3, 2, 16, generator=rng)
    fresh, silent = BandNoise(2, ndim=1), BandNoise(2, ndim=1, amplitude=0.0)
    silent.update(torch.randn(3, 2, 16, generator=rng))
    assert torch.equal(fresh(u), u)
    assert torch.equal(silent(u), u)


def test_the_generator_alone_determines_the_noise(rng: torch.Generator) -> None:
    noise = BandNoise(1, ndim=2)
    noise.update(torch.randn(4, 1, 16, 16, generator=rng))
    u = torch.zeros(2, 1, 16, 16)
    drawn = []
    for seed in (7, 7, 8):
        torch.randn(5)  # of torch's own generator
        drawn.append(noise(u, torch.Generator().manual_seed(seed)))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_constants_are_never_moved(rng: torch.Generator) -> None:
    noise = BandNoise(2, ndim=2, frames=3)
    noise.update(torch.randn(4, 2, 16, 16, generator=rng))
    u = torch.randn(4, 8, 16, 16, generator=rng)
    moved = noise(u, rng)
    assert torch.equal(moved[:, 6:], u[:, 6:])
    assert bool((moved[:, :6] != u[:, :6]).all())


def test_over_several_frames_the_noise_walks_up_to_the_whole_power(rng: torch.Generator) -> None:
    noise = BandNoise(1, ndim=1, frames=4, decay=0.0)
    noise.update(torch.randn(2000, 1, 64, generator=rng))
    drawn = noise(torch.zeros(2000, 4, 64), rng)
    # 128000 numbers each: 0.4 %, up to five of these
    assert_close(drawn.var(dim=(0, 2)), torch.tensor([0.25, 0.5, 0.75, 1.0]), rtol=0.02, atol=0.0)
    steps = drawn.diff(dim=1).flatten(2).transpose(0, 1).flatten(1)
    assert float(torch.corrcoef(steps).fill_diagonal_(0).abs().max()) < 0.015


def test_frames_of_the_output_are_samples_of_the_same_fields(rng: torch.Generator) -> None:
    residual = torch.randn(6, 4, 16, generator=rng)
    together, apart = (BandNoise(2, ndim=1) for _ in range(2))
    together.update(residual)
    apart.update(torch.cat([residual[:, :2], residual[:, 2:]]))
    assert_close(together.power, apart.power)


def test_the_estimate_is_a_weighted_mean_that_forgets(rng: torch.Generator) -> None:
    noise = BandNoise(1, ndim=1, levels=1, decay=0.75)
    u = torch.randn(5, 1, 8, generator=rng)
    for size in (3.0, 1.0, 2.0):
        noise.update(size * u)
    weights = torch.tensor([0.75**2, 0.75, 1.0])
    mean = (weights * torch.tensor([9.0, 1.0, 4.0])).sum() / weights.sum()
    assert_close(noise.power, mean * band_power(u, levels=1))
    noise.update(u[:0])
    assert_close(noise.power, mean * band_power(u, levels=1))


def test_the_estimate_is_part_of_a_checkpoint(rng: torch.Generator) -> None:
    noise, other = BandNoise(2, ndim=1), BandNoise(2, ndim=1)
    noise.update(torch.randn(5, 2, 16, generator=rng))
    other.load_state_dict(noise.state_dict())
    assert torch.equal(other.power, noise.power)


def test_half_precision_stays_and_is_measured_in_full(rng: torch.Generator) -> None:
    noise = BandNoise(1, ndim=1)
    residual = torch.randn(4, 1, 16, generator=rng).bfloat16()
    noise.update(residual)
    assert_close(noise.power, band_power(residual.float()))
    assert noise(residual, rng).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"fields": 0}, "fields must be at least 1, got 0"),
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"levels": 0}, "levels must be at least 1, got 0"),
        ({"amplitude": -0.1}, "amplitude must be at least 0 and finite, got -0.1"),
        ({"amplitude": float("nan")}, "amplitude must be at least 0 and finite, got nan"),
        ({"decay": 1.0}, "decay must be at least 0 and below 1, got 1.0"),
        ({"boundary": "fixed"}, "unknown boundary 'fixed'"),
    ],
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BandNoise(**{"fields": 1, "ndim": 1, **knobs})  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    noise = BandNoise(2, ndim=1, frames=2)
    with pytest.raises(ShapeError, match="whole frames of 2 fields, got 3 channels"):
        noise.update(torch.zeros(1, 3, 8))
    with pytest.raises(ShapeError, match="2 frames of 2 fields, so at least 4 channels, got 3"):
        noise(torch.zeros(1, 3, 8))
    with pytest.raises(ShapeError, match="3 levels of 2 axes have 10 bands, got powers of 4"):
        band_noise(torch.ones(1, 4), 1, (8, 8))
