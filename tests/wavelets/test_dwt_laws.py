"""What makes the transform orthonormal: exact inverse, equal energy, inverse equal to transpose.

The taps that PyWavelets prints are orthonormal to some digits only, so the laws hold to a bound
that is computed here from the taps. Let e_k = sum_n h_n h_(n + 2k) - [k = 0] be the error of a
low-pass filter h. The high-pass filter mirrors it with alternating signs, so its errors are the
same and the cross terms vanish exactly. One periodized pass W along one axis then has
|W^T W - 1| <= e = |e_0| + 2 sum_k |e_k| in the spectral norm, and a transform of p = levels * ndim
passes deviates from the identity by at most (1 + e)^p - 1. The least accurate is sym20 with
e = 2.9e-11; sym5 has 5.2e-13, so 1.6e-12 after three passes.

To this comes rounding: an output of a pass is off by at most taps + 2 spacings of float64 times the
sum of the absolute products, which adds (taps + 2) * eps * sum |h_n| for each of 2 p passes.
"""

import math

import numpy as np
import pytest
import pywt
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves, tree_map

from wavelit_plugin.shapes import BOUNDARIES
from wavelit_plugin.wavelets import (
    WaveletCoefficients,
    dwt,
    idwt,
    padded_size,
    wavelet_names,
)

EPS = np.finfo(np.float64).eps
SOME = ["haar", "db1", "db2", "db4", "sym5", "coif3", "sym20"]
ODD_AND_TINY = [(1,), (2,), (3,), (5,), (13,), (1, 1), (3, 8), (7, 11), (1, 5, 3), (2, 3, 4)]


def orthonormality_error(wavelet: str) -> float:
    """Return e of this module's docstring."""
    low = np.asarray(pywt.Wavelet(wavelet).rec_lo)
    shifted = [low[2 * k :] @ low[: low.size - 2 * k] for k in range(low.size // 2)]
    return float(abs(shifted[0] - 1.0) + 2.0 * np.abs(shifted[1:]).sum())


def deviation_bound(wavelet: str, passes: int) -> float:
    """Return the bound on |idwt dwt u - u| / |u| over ``passes`` passes and back."""
    low = np.asarray(pywt.Wavelet(wavelet).rec_lo)
    rounding = 2 * passes * (low.size + 2) * EPS * np.abs(low).sum()
    return math.expm1(passes * math.log1p(orthonormality_error(wavelet))) + float(rounding)


def largest_norm(u: Tensor, levels: int) -> float:
    """Return a bound on the norm of u once it is padded."""
    points = math.prod(padded_size(size, levels) for size in u.shape[2:])
    return float(u.abs().max()) * math.sqrt(points * u.shape[0] * u.shape[1])


def bands(coefficients: WaveletCoefficients) -> Tensor:
    """Return all coefficients in one vector."""
    return torch.cat([band.flatten() for band in tree_leaves(coefficients)])


def field(space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, 2, *space, dtype=torch.float64, generator=rng)


def assert_inverts(u: Tensor, wavelet: str, levels: int, boundary: tuple[str, ...]) -> None:
    rebuilt = idwt(dwt(u, wavelet=wavelet, levels=levels, boundary=boundary))
    bound = deviation_bound(wavelet, levels * len(boundary)) * largest_norm(u, levels)
    # also compares shape and dtype
    assert_close(rebuilt, u, rtol=0.0, atol=bound)


def test_the_bound_itself_is_small_for_every_wavelet() -> None:
    bounds = {name: deviation_bound(name, 1) for name in wavelet_names()}
    assert max(bounds.values()) < 5e-11
    assert bounds["sym5"] < 1e-12
    assert bounds["haar"] < 1e-14


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("wavelet", SOME)
@pytest.mark.parametrize("space", ODD_AND_TINY)
def test_idwt_inverts_dwt_on_odd_and_tiny_sizes(
    space: tuple[int, ...], wavelet: str, levels: int, rng: torch.Generator
) -> None:
    assert_inverts(field(space, rng), wavelet, levels, ("periodic",) * len(space))


@pytest.mark.parametrize("wavelet", wavelet_names())
def test_idwt_inverts_dwt_for_every_wavelet(wavelet: str, rng: torch.Generator) -> None:
    assert_inverts(field((37,), rng), wavelet, 3, ("periodic",))


@given(
    space=st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
    wavelet=st.sampled_from(SOME),
    levels=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_idwt_inverts_dwt_on_any_size(
    space: tuple[int, ...], wavelet: str, levels: int, seed: int
) -> None:
    u = field(space, torch.Generator().manual_seed(seed))
    assert_inverts(u, wavelet, levels, ("periodic",) * len(space))


@given(
    axes=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(BOUNDARIES)), min_size=1, max_size=3
    ),
    levels=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_haar_inverts_on_any_boundary(axes: list[tuple[int, str]], levels: int, seed: int) -> None:
    space, boundary = zip(*axes, strict=True)
    assert_inverts(field(space, torch.Generator().manual_seed(seed)), "haar", levels, boundary)


@pytest.mark.parametrize("wavelet", SOME)
@pytest.mark.parametrize(("space", "levels"), [((32,), 3), ((8, 12), 2), ((2, 4, 6), 1)])
def test_coefficients_keep_the_energy(
    space: tuple[int, ...], levels: int, wavelet: str, rng: torch.Generator
) -> None:
    u = field(space, rng)
    energy = bands(dwt(u, wavelet=wavelet, levels=levels)).square().sum()
    bound = deviation_bound(wavelet, levels * len(space))
    assert_close(energy, u.square().sum(), rtol=bound, atol=0.0)


@pytest.mark.parametrize("wavelet", SOME)
@pytest.mark.parametrize(("space", "levels"), [((32,), 3), ((8, 12), 2), ((2, 4, 6), 1)])
def test_idwt_is_the_transpose_of_dwt(
    space: tuple[int, ...], levels: int, wavelet: str, rng: torch.Generator
) -> None:
    # <dwt u, c> = <u, idwt c> whatever the taps are, so rounding is the only error
    u = field(space, rng)
    analysed = dwt(u, wavelet=wavelet, levels=levels)
    c = tree_map(lambda b: torch.randn(b.shape, dtype=b.dtype, generator=rng), analysed)
    left = bands(analysed) @ bands(c)
    right = u.flatten() @ idwt(c).flatten()
    assert_close(left, right, rtol=0.0, atol=1e-13 * float(u.norm() * bands(c).norm()))


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
@pytest.mark.parametrize("space", [(8,), (7, 8), (4, 3, 8)])
def test_arguments_are_left_as_they_were(
    space: tuple[int, ...], wavelet: str, rng: torch.Generator
) -> None:
    u = field(space, rng)
    before = u.clone()
    coefficients = dwt(u, wavelet=wavelet, levels=2)
    assert torch.equal(u, before)
    values = bands(coefficients)
    idwt(coefficients)
    assert torch.equal(bands(coefficients), values)


@pytest.mark.parametrize("boundary", ["wall", "open"])
def test_haar_sees_nothing_of_the_other_end_of_an_open_axis(
    boundary: str, rng: torch.Generator
) -> None:
    u = field((13,), rng)
    changed = u.clone()
    changed[..., 0] += 1.0
    there = [dwt(v, levels=2, boundary=boundary) for v in (u, changed)]
    # the first value reaches the first coefficient of each band and no other
    for before, after in zip(*[(p.approximation, *p.details) for p in there], strict=True):
        assert torch.equal(before[..., 1:], after[..., 1:])
        assert not torch.equal(before[..., 0], after[..., 0])
