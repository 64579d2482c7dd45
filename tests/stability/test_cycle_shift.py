"""The cycle shift: nothing for steps that commute with shifts, averaging for those that do not."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.rollout import rollout
from wavelit_plugin.stability import cycle_offsets, cycle_shift


def diffused(u: Tensor) -> Tensor:
    """A step that commutes with shifts."""
    axes = range(2, u.ndim)
    return u + 0.1 * sum((u.roll(1, axis) - u for axis in axes), start=torch.zeros_like(u))


@pytest.mark.parametrize("cell", [1, 2, 4, 6])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_offset_of_the_cell_comes_once_the_first_being_none(ndim: int, cell: int) -> None:
    offsets = cycle_offsets(["periodic"] * ndim, cell)
    assert sorted(offsets) == sorted(itertools.product(range(cell), repeat=ndim))
    assert offsets[0] == (0,) * ndim


def test_any_first_few_are_spread_evenly() -> None:
    offsets = cycle_offsets(["periodic"] * 2, 8)
    for part in (2, 4):
        # as many as there are squares of the cell: one in each
        squares = {tuple(place * part // 8 for place in offset) for offset in offsets[: part**2]}
        assert len(squares) == part**2


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_step_that_commutes_with_shifts_gives_what_it_gave(ndim: int) -> None:
    u = torch.randn(2, 3, *(8,) * ndim)
    shifted = cycle_shift(diffused, boundary=["periodic"] * ndim, cell=2)
    for _ in range(2**ndim + 1):
        assert_close(shifted(u), diffused(u))


def test_a_mistake_of_the_lattice_is_averaged_out_over_a_cycle() -> None:
    mistake = torch.zeros(8, 8)
    mistake[::4, ::4] = 1.0

    def step(u: Tensor) -> Tensor:
        return u + mistake

    start = torch.zeros(1, 1, 1, 8, 8)
    shifted = cycle_shift(step, boundary=["periodic"] * 2, cell=4)
    after = rollout(shifted, start, steps=16)[:, -1]
    # each of the 16 points of a cell had it once
    assert torch.equal(after, torch.ones(1, 1, 8, 8))
    assert float(rollout(step, start, steps=16)[:, -1].max()) == 16


def test_constants_are_rolled_with_the_fields() -> None:
    def step(u: Tensor) -> Tensor:
        return u[:, :1] * u[:, 1:]

    u = torch.randn(1, 2, 8)
    shifted = cycle_shift(step, boundary=["periodic"], cell=4)
    for _ in range(4):
        assert torch.equal(shifted(u), step(u))


def test_axes_that_do_not_wrap_stay() -> None:
    offsets = cycle_offsets(["wall", "periodic", "open"], 2)
    assert offsets == ((0, 0, 0), (0, 1, 0))
    u = torch.randn(1, 1, 4, 4, 4)
    seen: list[Tensor] = []

    def noted(u: Tensor) -> Tensor:
        seen.append(u)
        return u

    shifted = cycle_shift(noted, boundary=["wall", "periodic", "open"], cell=2)
    assert torch.equal(shifted(shifted(u)), u)
    assert torch.equal(seen[1], u.roll(1, 3))


@pytest.mark.parametrize(
    ("boundary", "cell", "message"),
    [
        (("wall", "open"), 4, r"rolls periodic axes, got boundary \('wall', 'open'\)"),
        ((), 4, "rolls periodic axes"),
        (("periodc",), 4, "did you mean 'periodic'"),
        (("periodic",), 0, "at least 1 point along an axis, got 0"),
    ],
)
def test_what_cannot_be_shifted_is_refused(
    boundary: tuple[str, ...], cell: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cycle_shift(diffused, boundary=boundary, cell=cell)
