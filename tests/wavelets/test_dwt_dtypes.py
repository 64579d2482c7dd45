"""Every floating dtype goes in and comes out, on every device, and errs by its rounding only.

Bound, with u the unit roundoff (half the spacing at 1): a pass along one axis is orthogonal, up to
the scale that Haar applies once a level, and rounds each value a few times, so in the 2-norm it
errs by at most m u |x|. For Haar m is 1 a pass and 1 for the scale. For longer filters the taps are
rounded, then the products and their sum (in half precision only the result, as products of
half-precision numbers are summed in float32), all times the absolute sum of the taps.
"""

import math

import pytest
import pywt
import torch
from torch.testing import assert_close

from wavelit_plugin.wavelets import dwt, idwt

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
LEVELS = 2


def relative_bound(wavelet: str, dtype: torch.dtype, ndim: int) -> float:
    """Return the bound on the relative error, in the 2-norm, of one transform of LEVELS levels."""
    unit = torch.finfo(dtype).eps / 2
    if wavelet == "haar":
        return LEVELS * (ndim + 1) * unit * 1.1
    taps = pywt.Wavelet(wavelet).rec_lo
    roundings = 3 if torch.finfo(dtype).bits == 16 else len(taps) + 2
    grown = 1.0 + roundings * unit * math.fsum(map(abs, taps))
    return float(grown ** (LEVELS * ndim) - 1.0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wavelet", ["haar", "db4"])
@pytest.mark.parametrize("space", [(16,), (8, 12), (4, 8, 4)])
def test_coefficients_are_those_of_float64_up_to_rounding(
    space: tuple[int, ...], wavelet: str, dtype: torch.dtype, device: str, rng: torch.Generator
) -> None:
    u = torch.randn(2, 3, *space, generator=rng).to(dtype)
    exact = dwt(u.double(), wavelet=wavelet, levels=LEVELS)
    ours = dwt(u.to(device), wavelet=wavelet, levels=LEVELS)
    atol = relative_bound(wavelet, dtype, len(space)) * float(u.double().norm())
    pairs = zip(
        (ours.approximation, *ours.details), (exact.approximation, *exact.details), strict=True
    )
    for band, expected in pairs:
        assert band.dtype == dtype
        assert band.device.type == device
        assert_close(band.cpu().double(), expected, rtol=0.0, atol=atol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wavelet", ["haar", "db4"])
@pytest.mark.parametrize("space", [(13,), (7, 12), (3, 5, 4)])
def test_the_inverse_is_exact_up_to_rounding(
    space: tuple[int, ...], wavelet: str, dtype: torch.dtype, device: str, rng: torch.Generator
) -> None:
    u = torch.randn(2, 3, *space, generator=rng).to(dtype).to(device)
    rebuilt = idwt(dwt(u, wavelet=wavelet, levels=LEVELS))
    assert (rebuilt.dtype, rebuilt.device) == (u.dtype, u.device)
    # there and back; padding repeats a value at most 2**LEVELS times an axis
    norm = float(u.double().norm()) * 2.0 ** (len(space) * LEVELS / 2)
    atol = 2.1 * relative_bound(wavelet, dtype, len(space)) * norm
    assert_close(rebuilt.double(), u.double(), rtol=0.0, atol=atol)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_autocast_changes_neither_dtype_nor_values(
    wavelet: str, device: str, rng: torch.Generator
) -> None:
    u = torch.randn(2, 3, 8, 12, generator=rng).to(device)
    plain = dwt(u, wavelet=wavelet)
    with torch.autocast(device, dtype=torch.bfloat16):
        cast = dwt(u, wavelet=wavelet)
        rebuilt = idwt(cast)
    assert torch.equal(cast.approximation, plain.approximation)
    assert torch.equal(cast.details[0], plain.details[0])
    assert torch.equal(rebuilt, idwt(plain))


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
def test_shapes_are_known_without_memory(wavelet: str) -> None:
    u = torch.empty(2, 3, 9, 12, device="meta")
    bands = dwt(u, wavelet=wavelet, levels=2)
    assert [tuple(band.shape) for band in bands.details] == [(2, 3, 3, 6, 6), (2, 3, 3, 3, 3)]
    assert idwt(bands).shape == u.shape
