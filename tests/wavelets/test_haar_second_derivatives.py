"""The two Haar Functions are each other's gradient, whatever is differentiated again."""

import pytest
import torch
from torch.autograd import gradgradcheck

from wavelit_plugin.wavelets.haar import haar_analysis, haar_synthesis


@pytest.mark.parametrize("space", [(4,), (2, 4), (2, 4, 2)])
def test_second_derivatives_match_finite_differences(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    """Of the squared bands, as a linear map alone has none."""
    u = torch.randn(1, 2, *space, dtype=torch.float64, generator=rng, requires_grad=True)
    coarse, detail = (band.detach().requires_grad_() for band in haar_analysis(u))
    gradgradcheck(lambda v: tuple(band.square() for band in haar_analysis(v)), (u,))
    gradgradcheck(lambda a, d: haar_synthesis(a, d).square(), (coarse, detail))
