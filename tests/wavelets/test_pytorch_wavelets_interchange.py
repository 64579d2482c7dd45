"""The layout of pytorch_wavelets, compared with pytorch_wavelets itself.

Its periodization is right where every level is at least as long as the filter; below that it wraps
around only once, and its coefficients differ from those of PyWavelets.
"""

import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.wavelets import dwt, from_pytorch_wavelets, idwt, to_pytorch_wavelets

CASES = [
    ("haar", (16,), 3),
    ("db2", (24,), 3),
    ("db4", (64,), 3),
    ("sym5", (40,), 3),
    ("haar", (4, 8), 2),
    ("db2", (8, 12), 2),
    ("db4", (32, 64), 3),
    ("coif1", (16, 24), 2),
]


@pytest.fixture
def pytorch_wavelets() -> Iterator[ModuleType]:
    """The package, making its filters in float64."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)
        import pytorch_wavelets
    torch.set_default_dtype(torch.float64)
    yield pytorch_wavelets
    torch.set_default_dtype(torch.float32)


def transforms(
    package: ModuleType, wavelet: str, levels: int, ndim: int
) -> tuple[torch.nn.Module, torch.nn.Module]:
    kinds = {
        1: (package.DWT1DForward, package.DWT1DInverse),
        2: (package.DWTForward, package.DWTInverse),
    }
    forward, inverse = kinds[ndim]
    mode = "periodization"
    return forward(J=levels, wave=wavelet, mode=mode), inverse(wave=wavelet, mode=mode)


def field(space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, 3, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize(("wavelet", "space", "levels"), CASES)
def test_our_coefficients_become_theirs(
    wavelet: str,
    space: tuple[int, ...],
    levels: int,
    rng: torch.Generator,
    pytorch_wavelets: ModuleType,
) -> None:
    u = field(space, rng)
    forward, inverse = transforms(pytorch_wavelets, wavelet, levels, len(space))
    theirs_low, theirs_high = forward(u)
    low, high = to_pytorch_wavelets(dwt(u, wavelet=wavelet, levels=levels))
    # two orders of summation: rounding only
    assert_close(low, theirs_low, rtol=0.0, atol=1e-12)
    assert len(high) == len(theirs_high) == levels
    for ours, theirs in zip(high, theirs_high, strict=True):
        assert_close(ours, theirs, rtol=0.0, atol=1e-12)
    # the printed taps of sym5 are orthonormal to 1e-12 only
    assert_close(inverse((low, high)), u, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize(("wavelet", "space", "levels"), CASES)
def test_their_coefficients_are_rebuilt_by_us(
    wavelet: str,
    space: tuple[int, ...],
    levels: int,
    rng: torch.Generator,
    pytorch_wavelets: ModuleType,
) -> None:
    u = field(space, rng)
    forward, _ = transforms(pytorch_wavelets, wavelet, levels, len(space))
    bands = from_pytorch_wavelets(*forward(u), wavelet=wavelet)
    assert bands.shape == space
    assert_close(idwt(bands), u, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize(("wavelet", "boundary"), [("haar", "open"), ("db2", "periodic")])
@pytest.mark.parametrize("space", [(16,), (13,), (8, 12), (5, 7)])
def test_there_and_back_changes_nothing(
    space: tuple[int, ...], wavelet: str, boundary: str, rng: torch.Generator
) -> None:
    ours = dwt(field(space, rng), wavelet=wavelet, levels=2, boundary=boundary)
    low, high = to_pytorch_wavelets(ours)
    back = from_pytorch_wavelets(low, high, wavelet=wavelet, boundary=boundary, shape=space)
    assert torch.equal(back.approximation, ours.approximation)
    assert all(map(torch.equal, back.details, ours.details))
    for name in ("shape", "levels", "wavelet", "boundary"):
        assert getattr(back, name) == getattr(ours, name)
