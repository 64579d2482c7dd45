"""Autograd through dwt and idwt, against finite differences and against the transpose."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close

from wavelit_plugin.wavelets import Pyramid, dwt, idwt

EVEN_AND_ODD = [((6,), 1), ((5,), 2), ((4, 2), 1), ((3, 5), 1), ((2, 2, 4), 1), ((3, 2, 1), 1)]


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize(("space", "levels"), EVEN_AND_ODD)
def test_haar_gradients_match_finite_differences(
    space: tuple[int, ...], levels: int, boundary: str, rng: torch.Generator
) -> None:
    check_gradients("haar", space, levels, boundary, rng)


@pytest.mark.parametrize(("space", "levels"), EVEN_AND_ODD)
def test_db2_gradients_match_finite_differences(
    space: tuple[int, ...], levels: int, rng: torch.Generator
) -> None:
    check_gradients("db2", space, levels, "periodic", rng)


def check_gradients(
    wavelet: str, space: tuple[int, ...], levels: int, boundary: str, rng: torch.Generator
) -> None:
    """Check the gradients of dwt with respect to the field and of idwt to the coefficients."""
    u = torch.randn(1, 2, *space, dtype=torch.float64, generator=rng, requires_grad=True)

    def analysis(v: Tensor) -> tuple[Tensor, ...]:
        pyramid = dwt(v, wavelet=wavelet, levels=levels, boundary=boundary)
        return (pyramid.approximation, *pyramid.details)

    def synthesis(coarse: Tensor, *details: Tensor) -> Tensor:
        return idwt(Pyramid(coarse, details, space), wavelet=wavelet)

    # raise on the first entry that differs
    gradcheck(analysis, (u,))
    coefficients = tuple(band.detach().clone().requires_grad_() for band in analysis(u))
    gradcheck(synthesis, coefficients)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db4", "coif3"])
@pytest.mark.parametrize("space", [(16,), (8, 4), (4, 4, 8)])
def test_the_gradient_of_the_coefficients_is_the_inverse(
    space: tuple[int, ...], wavelet: str, rng: torch.Generator
) -> None:
    # d/du <dwt u, c> = dwt^T c, and the transpose of the transform is idwt; rounding only
    u = torch.randn(2, 1, *space, dtype=torch.float64, generator=rng, requires_grad=True)
    pyramid = dwt(u, wavelet=wavelet, levels=2)
    c = Pyramid(
        torch.randn(pyramid.approximation.shape, dtype=u.dtype, generator=rng),
        tuple(torch.randn(b.shape, dtype=u.dtype, generator=rng) for b in pyramid.details),
        space,
    )
    product = (pyramid.approximation * c.approximation).sum()
    for band, weight in zip(pyramid.details, c.details, strict=True):
        product = product + (band * weight).sum()
    (gradient,) = torch.autograd.grad(product, u)
    assert_close(gradient, idwt(c, wavelet=wavelet), rtol=0.0, atol=1e-13)
