"""dwt and idwt equal PyWavelets, an independent implementation, in float64.

1e-12 absolute on data of unit variance: rounding alone, a few hundred times the spacing of float64.
"""

from itertools import product

import numpy as np
import pytest
import pywt
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.shapes import BOUNDARIES, per_axis
from wavelit_plugin.wavelets import WaveletCoefficients, dwt, idwt, wavelet_names

# PyWavelets warns when a filter is longer than the coarsest level, which is a case wanted here
pytestmark = pytest.mark.filterwarnings("ignore:Level value of .* is too high:UserWarning")

TOLERANCE = 1e-12
SOME = ["haar", "db1", "db2", "db4", "sym5", "coif3", "db20"]
CASES = [  # sizes are multiples of 2**levels; most are smaller than the longer filters
    ((2,), 1),
    ((6,), 1),
    ((8,), 3),
    ((12,), 2),
    ((64,), 4),
    ((2, 2), 1),
    ((4, 12), 2),
    ((16, 6), 1),
    ((32, 24), 3),
    ((2, 4, 6), 1),
    ((8, 4, 12), 2),
]


def orientations(ndim: int) -> list[str]:
    """PyWavelets' keys of the detail bands in the order of WaveletCoefficients."""
    return ["".join(key) for key in product("ad", repeat=ndim)][1:]


def field(space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, 3, *space, dtype=torch.float64, generator=rng)


def reference(
    u: Tensor, wavelet: str, levels: int, mode: str = "periodization"
) -> WaveletCoefficients:
    """What PyWavelets makes of u, laid out as WaveletCoefficients."""
    axes = tuple(range(2, u.ndim))
    coarse, *details = pywt.wavedecn(u.numpy(), wavelet, mode=mode, level=levels, axes=axes)
    keys = orientations(len(axes))
    # a key of PyWavelets has one letter for each transformed axis
    stacked = [np.stack([bands[key] for key in keys], axis=2) for bands in reversed(details)]
    return made(
        torch.from_numpy(coarse),
        tuple(torch.from_numpy(band) for band in stacked),
        tuple(u.shape[2:]),
        wavelet,
    )


def made(
    coarse: Tensor, details: tuple[Tensor, ...], space: tuple[int, ...], wavelet: str
) -> WaveletCoefficients:
    return WaveletCoefficients(coarse, details, space, wavelet, per_axis("periodic", len(space)))


def assert_same_coefficients(actual: WaveletCoefficients, expected: WaveletCoefficients) -> None:
    assert actual.levels == expected.levels
    assert_close(actual.approximation, expected.approximation, rtol=0.0, atol=TOLERANCE)
    for ours, theirs in zip(actual.details, expected.details, strict=True):
        assert_close(ours, theirs, rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize("wavelet", SOME)
@pytest.mark.parametrize(("space", "levels"), CASES)
def test_coefficients_equal_pywavelets(
    space: tuple[int, ...], levels: int, wavelet: str, rng: torch.Generator
) -> None:
    u = field(space, rng)
    ours = dwt(u, wavelet=wavelet, levels=levels)
    assert_same_coefficients(ours, reference(u, wavelet, levels))
    assert (ours.shape, ours.wavelet, ours.levels) == (space, wavelet, levels)
    assert ours.boundary == ("periodic",) * len(space)


@pytest.mark.parametrize("wavelet", wavelet_names())
def test_every_wavelet_equals_pywavelets(wavelet: str, rng: torch.Generator) -> None:
    u = field((40,), rng)
    assert_same_coefficients(dwt(u, wavelet=wavelet, levels=3), reference(u, wavelet, 3))


@pytest.mark.parametrize("wavelet", SOME)
@pytest.mark.parametrize(("space", "levels"), CASES)
def test_any_coefficients_are_rebuilt_as_pywavelets_does(
    space: tuple[int, ...], levels: int, wavelet: str, rng: torch.Generator
) -> None:
    ndim = len(space)
    sizes = [tuple(size >> level for size in space) for level in range(1, levels + 1)]
    shapes = [(2, 3, 2**ndim - 1, *size) for size in sizes]
    details = tuple(torch.randn(*s, dtype=torch.float64, generator=rng) for s in shapes)
    coarse = field(sizes[-1], rng)
    bands = [
        dict(zip(orientations(ndim), np.moveaxis(detail.numpy(), 2, 0), strict=True))
        for detail in reversed(details)
    ]
    rebuilt = pywt.waverecn(
        [coarse.numpy(), *bands], wavelet, mode="periodization", axes=tuple(range(2, ndim + 2))
    )
    ours = idwt(made(coarse, details, space, wavelet))
    assert_close(ours, torch.from_numpy(rebuilt), rtol=0.0, atol=TOLERANCE)


@pytest.mark.parametrize("mode", ["symmetric", "zero", "antireflect"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("space", "levels"), CASES)
def test_haar_needs_no_rule_for_the_boundary(
    space: tuple[int, ...], levels: int, boundary: str, mode: str, rng: torch.Generator
) -> None:
    # two taps on even sizes never reach over the end, whatever PyWavelets assumes there
    u = field(space, rng)
    ours = dwt(u, levels=levels, boundary=boundary)
    assert_same_coefficients(ours, reference(u, "haar", levels, mode))


@pytest.mark.parametrize("space", [(1,), (5,), (3, 7), (1, 3, 5)])
def test_haar_repeats_the_last_value_of_odd_open_axes(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    # PyWavelets' periodization extends an odd size by its last value
    u = field(space, rng)
    assert_same_coefficients(dwt(u, boundary="open"), reference(u, "haar", 1))
