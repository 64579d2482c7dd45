"""Autograd through dwt and idwt, against finite differences and against the transpose."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves, tree_map

from wavelit_plugin.wavelets import dwt, idwt

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

    kind = dwt(u, wavelet=wavelet, levels=levels, boundary=boundary)

    def analysis(v: Tensor) -> tuple[Tensor, ...]:
        bands = dwt(v, wavelet=wavelet, levels=levels, boundary=boundary)
        return (bands.approximation, *bands.details)

    def synthesis(coarse: Tensor, *details: Tensor) -> Tensor:
        return idwt(replace(kind, approximation=coarse, details=details))

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
    bands = dwt(u, wavelet=wavelet, levels=2)
    c = tree_map(lambda b: torch.randn(b.shape, dtype=b.dtype, generator=rng), bands)
    (gradient,) = torch.autograd.grad(tree_leaves(bands), u, tree_leaves(c))
    assert_close(gradient, idwt(c), rtol=0.0, atol=1e-13)
