"""The solver that shows how well the published Darcy samples can be known."""

import torch
from torch.testing import assert_close

from benchmarks.darcy_limit import factor, solve


def test_a_constant_coefficient_gives_the_torsion_function() -> None:
    """Its maximum on the unit square is 0.0736713: Timoshenko, Theory of Elasticity (1951)."""
    size = 48
    solution = solve(torch.full((1, size, size), 2.0, dtype=torch.float64))
    middle = float(solution[0, size // 2, size // 2]) / size**2
    assert abs(2 * middle - 0.0736713) < 2e-4


def test_it_commutes_with_exchanging_the_axes(rng: torch.Generator) -> None:
    coefficient = 1 + 19 * torch.rand(2, 8, 8, dtype=torch.float64, generator=rng).round()
    assert_close(solve(coefficient.mT), solve(coefficient).mT)


def test_flow_through_two_layers_is_harmonic() -> None:
    """Layers along the first axis: the flux through a face is that of the harmonic mean."""
    coefficient = torch.ones(1, 16, 16, dtype=torch.float64)
    coefficient[:, 8:] = 9.0
    solution = solve(coefficient)[0]
    below, above = solution[7], solution[8]
    face = 2 * 9.0 / 10.0
    # what flows into row 7 from its neighbours is the source, 1 a cell
    inflow = face * (above - below) + (solution[6] - below)
    sideways = solution[7, 2:] + solution[7, :-2] - 2 * solution[7, 1:-1]
    assert_close(inflow[1:-1] + sideways, -torch.ones(14, dtype=torch.float64))


def test_the_factor_is_that_of_least_squares() -> None:
    solution = torch.tensor([1.0, 2.0])
    assert_close(factor(solution, torch.tensor([2.0, 4.0])), torch.tensor(2.0))
