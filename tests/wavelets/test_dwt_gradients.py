"""Autograd through dwt and idwt, against finite differences and against the transpose."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves, tree_map

from wavelit_plugin.wavelets import dwt, idwt
from wavelit_plugin.wavelets.haar import haar_analysis, haar_synthesis

EVEN_AND_ODD = [((6,), 1), ((5,), 2), ((4, 2), 1), ((3, 5), 1), ((2, 2, 4), 1), ((3, 2, 1), 1)]


@pytest.mark.parametrize(
    ("wavelet", "boundary"), [("haar", "periodic"), ("haar", "open"), ("db2", "periodic")]
)
@pytest.mark.parametrize(("space", "levels"), EVEN_AND_ODD)
def test_every_derivative_of_the_transform_and_its_inverse_agrees(
    space: tuple[int, ...],
    levels: int,
    wavelet: str,
    boundary: str,
    assert_derivatives_agree: Callable[..., None],
    rng: torch.Generator,
) -> None:
    u = torch.randn(1, 2, *space, dtype=torch.float64, generator=rng)
    analysis = partial(dwt, wavelet=wavelet, levels=levels, boundary=boundary)
    coefficients = analysis(u)
    assert_derivatives_agree(analysis, u)
    # squared, as a linear map has no second derivative
    assert_derivatives_agree(lambda v: tree_map(torch.square, analysis(v)), u)

    def synthesis(coarse: Tensor, *details: Tensor) -> Tensor:
        return idwt(replace(coefficients, approximation=coarse, details=details)).square()

    assert_derivatives_agree(synthesis, *tree_leaves(coefficients))


@pytest.mark.parametrize("space", [(4,), (2, 4), (2, 4, 2)])
def test_of_the_inverse_only_one_band_may_be_differentiated(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    """The other has no tangent, and no gradient is asked for."""
    u = torch.randn(1, 2, *space, dtype=torch.float64, generator=rng)
    coarse, detail = haar_analysis(u)
    tangent = torch.randn(detail.shape, dtype=u.dtype, generator=rng)
    found = torch.func.jvp(lambda d: haar_synthesis(coarse, d), (detail,), (tangent,))[1]
    assert_close(found, haar_synthesis(torch.zeros_like(coarse), tangent), rtol=0.0, atol=1e-14)
    pull = torch.func.vjp(lambda d: haar_synthesis(coarse, d), detail)[1]
    assert_close(pull(u)[0], detail, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db4", "coif3"])
@pytest.mark.parametrize("space", [(16,), (8, 4), (4, 4, 8)])
def test_the_gradient_of_the_coefficients_is_the_inverse(
    space: tuple[int, ...], wavelet: str, rng: torch.Generator
) -> None:
    # d/du <dwt u, c> = dwt^T c, and the transpose of the transform is idwt; rounding only
    u = torch.randn(2, 1, *space, dtype=torch.float64, generator=rng, requires_grad=True)
    bands = dwt(u, wavelet=wavelet, levels=2)
    c = tree_map(lambda b: torch.randn(b.shape, dtype=b.dtype, generator=rng), bands)
    (gradient,) = torch.autograd.grad(tree_leaves(bands), u, tree_leaves(c))
    assert_close(gradient, idwt(c), rtol=0.0, atol=1e-13)
