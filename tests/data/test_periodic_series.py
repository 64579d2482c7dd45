"""Change of resolution and dealiasing of Fourier series."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.periodic import resample, resolved, wave_numbers


def spectrum(values: Tensor, ndim: int) -> Tensor:
    return torch.fft.rfftn(values, dim=tuple(range(-ndim, 0)), norm="forward")


def series(points: int, ndim: int) -> Tensor:
    """Sample one sum of waves of at most 3 an edge, (2, *space)."""
    axis = 2 * math.pi * torch.arange(points, dtype=torch.float64) / points
    grids = torch.meshgrid(*[axis] * ndim, indexing="ij")
    phase = torch.stack([(3 - place) * grid for place, grid in enumerate(grids)]).sum(dim=0)
    back = torch.stack([(place - 2) * grid for place, grid in enumerate(grids)]).sum(dim=0)
    return torch.stack([0.5 + torch.cos(phase) + torch.sin(back), torch.sin(phase) - 2.0])


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(("points", "size"), [(8, 12), (12, 8), (10, 10), (16, 8)])
def test_a_resampled_series_is_the_same_function(points: int, size: int, ndim: int) -> None:
    result = resample(spectrum(series(points, ndim), ndim), size, ndim=ndim)
    # three waves are below the Nyquist wave of every grid here: rounding only
    assert_close(result, spectrum(series(size, ndim), ndim), rtol=0.0, atol=1e-15)


@pytest.mark.parametrize("ndim", [1, 2])
def test_products_of_resolved_waves_do_not_alias_onto_resolved_waves(ndim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    points, keep = 18, resolved(18, ndim=ndim)
    noise = torch.randn(1, *[points] * ndim, generator=generator, dtype=torch.float64)
    coarse = spectrum(noise, ndim) * keep
    fine = resample(coarse, 2 * points, ndim=ndim)

    def squared(part: Tensor, size: int) -> Tensor:
        axes = tuple(range(-ndim, 0))
        values = torch.fft.irfftn(part, s=(size,) * ndim, dim=axes, norm="forward")
        return spectrum(values.square(), ndim)

    # the finer grid holds the product without aliasing
    exact = resample(squared(fine, 2 * points), points, ndim=ndim)
    assert_close(squared(coarse, points) * keep, exact * keep, rtol=0.0, atol=1e-14)


def test_wave_numbers_differentiate() -> None:
    values = series(12, 2)
    kx, ky = wave_numbers(12, ndim=2)
    axis = 2 * math.pi * torch.arange(12, dtype=torch.float64) / 12
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    mixed = torch.fft.irfft2(-kx * ky * spectrum(values, 2), s=(12, 12), norm="forward")
    assert_close(mixed[1], torch.as_tensor(-3 * 2 * torch.sin(3 * x + 2 * y)), rtol=0.0, atol=1e-13)
