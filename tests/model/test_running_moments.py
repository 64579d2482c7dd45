"""Statistics that are merged batch by batch are those of all samples at once.

The reference is PyWavelets in float64 on the concatenated samples.
"""

from collections.abc import Callable

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiTConfig
from wavelit_plugin.model.normalizer import Moments, Normalizer, Statistics

LEVELS = 2
Tiny = Callable[..., WaveLiTConfig]


def all_at_once(fields: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (kind, channel) and products per band (kind, kind, channel, band)."""
    ndim = fields[0].ndim - 2
    space = tuple(range(2, ndim + 2))
    mean = torch.stack([u.double().mean(dim=(0, *space)) for u in fields])
    centred = [
        u.double().numpy() - m.numpy().reshape(1, -1, *(1,) * ndim)
        for u, m in zip(fields, mean, strict=True)
    ]
    bands = [pywt_bands(u, space) for u in centred]
    products = [
        [[(a * b).mean(axis=(0, *space)) for a, b in zip(p, q, strict=True)] for q in bands]
        for p in bands
    ]
    return mean, torch.from_numpy(np.array(products)).movedim(2, 3)


def pywt_bands(u: np.ndarray, space: tuple[int, ...]) -> list[np.ndarray]:
    low, *details = pywt.wavedecn(u, "haar", mode="periodization", level=LEVELS, axes=space)
    return [low, *(level[key] for level in details for key in sorted(level))]


def samples(ndim: int, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two related fields, with means and sizes that differ from channel to channel."""
    u, v = torch.randn(2, count, 2, *(8,) * ndim, dtype=torch.float64, generator=rng)
    size = torch.tensor([1.0, 5.0]).double().view(1, 2, *(1,) * ndim)
    return size * u + 3.0, size * (u.cumsum(-1) - v) - 1.0


def measured(
    tiny: Tiny, u: Tensor, target: Tensor, sizes: list[int], **knobs: object
) -> Statistics:
    config = tiny(ndim=u.ndim - 2, out_channels=2, levels=LEVELS, **knobs)
    normalizer = Normalizer(config).to(u.dtype)
    found = normalizer.cleared()
    for batch in zip(u.split(sizes), target.split(sizes), strict=True):
        found = normalizer.learned(found, normalizer.observe(batch[0], None, batch[1]))
    return found


def assert_moments(found: Moments, fields: list[Tensor], rtol: float = 1e-11) -> None:
    mean, products = all_at_once(fields)
    assert int(found.samples) == len(fields[0])
    assert_close(found.mean, mean, rtol=1e-12, atol=1e-12)
    assert_close(found.products, products, rtol=rtol, atol=1e-11)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_merged_batches_equal_all_samples_at_once(
    ndim: int, tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = samples(ndim, 8, rng)
    found = measured(tiny, u, target, [3, 1, 4])
    assert_moments(found.inputs, [u])
    assert_moments(found.outputs, [u, target, target - u])


def test_a_mean_a_thousand_times_the_variation_costs_no_digits(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """The fields themselves are rounded to 6e-5 of the variation; sums of squares would lose all.

    So the mean square of a band of n values is off by 2 * 6e-5 / sqrt(n) to 1e-4 at most.
    """
    u, target = (1000.0 + field.float() for field in samples(2, 8, rng))
    kept = measured(tiny, u, target, [3, 1, 4]).inputs
    mean, products = all_at_once([u])
    assert_close(kept.mean.double(), mean, rtol=1e-6, atol=0.0)
    scale = products.diagonal().sum(-1).max()
    assert_close(kept.products.double(), products, rtol=1e-3, atol=float(1e-4 * scale))


def test_batches_that_differ_in_their_mean_add_to_the_lowest_band(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """Inputs of 0 and of 2: variance one, all of it in the approximation."""
    u = torch.cat([torch.zeros(3, 2, 8), torch.full((3, 2, 8), 2.0)]).double()
    target = torch.randn(6, 2, 8, generator=rng).double()  # which varies, so that batches count
    expected = torch.zeros(1, 1, 2, 3, dtype=torch.float64)
    expected[..., 0] = 2.0**LEVELS  # orthonormal: a constant c has coefficients c * 2**(levels/2)
    assert_close(measured(tiny, u, target, [3, 3]).inputs.products, expected)


@pytest.mark.parametrize("empty", ["no sample", "NaN", "infinity", "constant"])
def test_a_batch_that_teaches_nothing_changes_nothing(
    empty: str, tiny: Tiny, rng: torch.Generator
) -> None:
    u, target = samples(1, 4, rng)
    once = measured(tiny, u, target, [2, 2])
    nothing = {
        "no sample": u[:0],
        "NaN": u[:1] * torch.nan,
        "infinity": u[:1] * torch.inf,
        "constant": torch.full_like(u[:1], 0.1),
    }[empty]
    size = len(nothing)
    with_it = torch.cat([u[:2], nothing, u[2:]]), torch.cat([target[:2], nothing, target[2:]])
    for one, other in zip(
        measured(tiny, *with_it, [2, size, 2]).tensors(), once.tensors(), strict=True
    ):
        assert_close(one, other, rtol=0.0, atol=0.0)


def test_from_256_samples_on_nothing_is_learned(tiny: Tiny, rng: torch.Generator) -> None:
    u, target = samples(1, 300, rng)
    whole, first = (
        measured(tiny, u, target, [200, 60, 40]),
        measured(tiny, u[:260], target[:260], [200, 60]),
    )
    assert int(whole.inputs.samples) == 260
    for one, other in zip(whole.tensors(), first.tensors(), strict=True):
        assert_close(one, other, rtol=0.0, atol=0.0)
