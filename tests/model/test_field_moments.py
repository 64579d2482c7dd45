"""Running moments: batches merged one by one give the statistics of all samples at once.

The reference is PyWavelets in float64 on the concatenated samples.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiTConfig, moments
from wavelit_plugin.model.moments import Moments
from wavelit_plugin.model.tokenizer import Bands

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


def samples(ndim: int, count: int, rng: torch.Generator) -> list[Tensor]:
    """Two related kinds of field, with means and sizes that differ from channel to channel."""
    u, v = torch.randn(2, count, 2, *(8,) * ndim, dtype=torch.float64, generator=rng)
    size = torch.tensor([1.0, 5.0]).double().view(1, 2, *(1,) * ndim)
    return [size * u + 3.0, size * (u.cumsum(-1) - v) - 1.0]


def merged(config: WaveLiTConfig, fields: list[Tensor], sizes: list[int]) -> Moments:
    kept = Moments(2, Bands(config.ndim, LEVELS), kinds=len(fields)).to(fields[0].dtype)
    for batch in zip(*(u.split(sizes) for u in fields), strict=True):
        kept.update(list(batch), config)
    return kept


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_merged_batches_equal_all_samples_at_once(
    ndim: int, tiny: Tiny, rng: torch.Generator
) -> None:
    fields = samples(ndim, 8, rng)
    kept = merged(tiny(ndim=ndim, levels=LEVELS), fields, [3, 1, 4])
    mean, products = all_at_once(fields)
    assert int(kept.samples) == 8
    assert_close(kept.mean, mean, rtol=1e-12, atol=1e-12)
    assert_close(kept.products, products, rtol=1e-11, atol=1e-11)


def test_a_mean_a_thousand_times_the_variation_costs_no_digits(
    tiny: Tiny, rng: torch.Generator
) -> None:
    """The fields themselves are rounded to 6e-5 of the variation; sums of squares would lose all.

    So the mean square of a band of n values is off by 2 * 6e-5 / sqrt(n) to 1e-4 at most.
    """
    fields = [1000.0 + u.float() for u in samples(2, 8, rng)]
    kept = merged(tiny(levels=LEVELS), fields, [3, 1, 4])
    mean, products = all_at_once(fields)
    assert_close(kept.mean.double(), mean, rtol=1e-6, atol=0.0)
    scale = products.diagonal().sum(-1).max()
    assert_close(kept.products.double(), products, rtol=1e-3, atol=float(1e-4 * scale))


def test_batches_that_differ_in_their_mean_add_to_the_lowest_band(tiny: Tiny) -> None:
    """Two constant batches, 0 and 2: variance one, all of it in the approximation."""
    u = torch.cat([torch.zeros(3, 2, 8), torch.full((3, 2, 8), 2.0)])
    kept = merged(tiny(ndim=1, levels=LEVELS), [u.double()], [3, 3])
    expected = torch.zeros(1, 1, 2, 3, dtype=torch.float64)
    expected[..., 0] = 2.0**LEVELS  # orthonormal: a constant c has coefficients c * 2**(levels/2)
    assert_close(kept.products, expected)


def test_a_batch_without_samples_changes_nothing(tiny: Tiny, rng: torch.Generator) -> None:
    """The last shard of a rank may be empty."""
    fields = samples(1, 4, rng)
    kept = merged(tiny(ndim=1, levels=LEVELS), fields, [2, 0, 2, 0])
    once = merged(tiny(ndim=1, levels=LEVELS), fields, [2, 2])
    for name, value in once.state_dict().items():
        assert_close(kept.state_dict()[name], value, rtol=0.0, atol=0.0)
    nothing = merged(tiny(ndim=1, levels=LEVELS), [u[:0] for u in fields], [0])
    assert all(not value.any() for value in nothing.state_dict().values())


def test_every_rank_merges_the_batches_of_all_ranks(
    tiny: Tiny, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ranks with different batches, the collective being replaced by a list of both."""
    fields, config = samples(1, 8, rng), tiny(ndim=1, levels=LEVELS)
    posted: list[Tensor] = []
    with monkeypatch.context() as patch:
        patch.setattr(moments, "from_all_ranks", partial(post, posted))
        merged(config, [u[:3] for u in fields], [3])
        merged(config, [u[3:] for u in fields], [5])
    monkeypatch.setattr(moments, "from_all_ranks", partial(both, posted))
    kept = merged(config, [u[:3] for u in fields], [3])
    mean, products = all_at_once(fields)
    assert int(kept.samples) == 8
    assert_close(kept.mean, mean, rtol=1e-12, atol=1e-12)
    assert_close(kept.products, products, rtol=1e-11, atol=1e-11)


def post(posted: list[Tensor], own: Tensor) -> list[Tensor]:
    posted.append(own)
    return [own]


def both(posted: list[Tensor], _own: Tensor) -> list[Tensor]:
    return posted


def test_cleared_moments_are_those_of_a_new_object(tiny: Tiny, rng: torch.Generator) -> None:
    kept = merged(tiny(ndim=1, levels=LEVELS), samples(1, 4, rng), [4])
    kept.clear()
    assert all(not value.any() for value in kept.state_dict().values())
