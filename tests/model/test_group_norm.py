"""One root mean square a sample: the size of a sample is removed, its shape in space kept."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model.norm import GroupRMS

GRIDS = [(5,), (3, 4), (2, 3, 4)]
every_grid = pytest.mark.parametrize("grid", GRIDS)


def tokens(grid: tuple[int, ...], rng: torch.Generator) -> Tensor:
    # far above the floor of 1e-6 beside the mean square: it changes the result by 5e-15 of it
    return 1e4 * torch.randn(3, *grid, 6, dtype=torch.float64, generator=rng)


@every_grid
def test_every_sample_comes_out_with_unit_mean_square(
    grid: tuple[int, ...], rng: torch.Generator
) -> None:
    out = GroupRMS(6).double()(
        tokens(grid, rng) * torch.tensor([1, 10, 100]).view(3, *grid_of(grid))
    )
    assert_close(out.square().flatten(1).mean(1), torch.ones(3, dtype=torch.float64))


def grid_of(grid: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (len(grid) + 1)


@every_grid
def test_the_size_of_a_sample_does_not_matter(grid: tuple[int, ...], rng: torch.Generator) -> None:
    norm, x = GroupRMS(6).double(), tokens(grid, rng)
    assert_close(norm(7.0 * x), norm(x), rtol=1e-12, atol=1e-12)


@every_grid
def test_relative_amplitudes_in_space_are_kept(grid: tuple[int, ...], rng: torch.Generator) -> None:
    """A quiet token stays quiet: one factor for all tokens and features of a sample."""
    x = tokens(grid, rng)
    ratio = (GroupRMS(6).double()(x) / x).flatten(1)
    assert_close(ratio, ratio[:, :1].expand_as(ratio))


def test_samples_do_not_see_each_other(rng: torch.Generator) -> None:
    norm, x = GroupRMS(6).double(), tokens((3, 4), rng)
    assert_close(norm(torch.cat([x, 100 * x]))[:3], norm(x), rtol=0.0, atol=1e-15)


def test_silence_stays_silence_and_has_a_finite_gradient() -> None:
    x = torch.zeros(1, 4, 6, requires_grad=True)
    out = GroupRMS(6)(x)
    out.sum().backward()
    assert not out.any()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_a_backward_inside_of_autocast_keeps_its_precision(rng: torch.Generator) -> None:
    x = tokens((16, 16), rng).float().requires_grad_()
    weight = torch.randn(x.shape, generator=rng)
    found = []
    for inside in (False, True):
        norm = GroupRMS(6)
        out = (norm(x) * weight).sum()
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            found.append(torch.autograd.grad(out, [x, *norm.parameters()]))
    assert_close(found[1], found[0], rtol=1e-6, atol=1e-6)
