"""Positions in attention: phases of plane waves that fit the domain."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model.rotation import rotate, rotation, wave_vectors
from wavelit_plugin.shapes import Boundary

AXES: list[tuple[Boundary, ...]] = [
    ("periodic",),
    ("open",),
    ("periodic", "periodic"),
    ("periodic", "wall"),
    ("open", "open"),
    ("periodic", "open", "wall"),
    ("periodic", "periodic", "periodic"),
]
HEADS, PAIRS = 3, 16

every_domain = pytest.mark.parametrize("boundary", AXES, ids="-".join)


def rotated(boundary: tuple[Boundary, ...]) -> list[tuple[float, ...]]:
    flat = wave_vectors(boundary, HEADS, PAIRS).flatten(0, 1).tolist()
    return [tuple(k) for k in flat if any(k)]


def phases(boundary: tuple[Boundary, ...], grid: tuple[int, ...]) -> Tensor:
    """(*grid, head, pair) unit complex numbers."""
    vectors = wave_vectors(boundary, HEADS, PAIRS).double()
    return torch.complex(*rotation(vectors, grid)).transpose(0, 1).unflatten(0, grid)


@every_domain
def test_wave_vectors_are_distinct(boundary: tuple[Boundary, ...]) -> None:
    """k and -k are the same wave in a real product, so only one of them is used."""
    vectors = rotated(boundary)
    opposite = [tuple(-component for component in k) for k in vectors]
    assert len({*vectors, *opposite}) == 2 * len(vectors)


@every_domain
def test_a_quarter_of_the_pairs_is_not_rotated_in_any_head(boundary: tuple[Boundary, ...]) -> None:
    still = (wave_vectors(boundary, HEADS, PAIRS) == 0).all(-1).sum(1)
    assert still.tolist() == [PAIRS // 4] * HEADS


@every_domain
def test_periodic_axes_have_whole_cycles_and_others_half_cycles(
    boundary: tuple[Boundary, ...],
) -> None:
    for axis, name in enumerate(boundary):
        cycles = torch.tensor(rotated(boundary))[:, axis]
        steps = cycles if name == "periodic" else 2 * cycles
        assert_close(steps, steps.round(), rtol=0.0, atol=0.0)
        assert bool((steps.abs() == 1).any())  # the longest wave is used


@every_domain
def test_the_longest_waves_are_chosen(boundary: tuple[Boundary, ...]) -> None:
    steps = [1.0 if name == "periodic" else 0.5 for name in boundary]
    reach = 20 if len(boundary) < 3 else 4
    box = itertools.product(*([i * s for i in range(-2 * reach, 2 * reach + 1)] for s in steps))
    lengths = sorted(math.hypot(*k) for k in box if any(k))
    chosen = sorted(math.hypot(*k) for k in rotated(boundary))
    if len(boundary) == 1:  # 36 waves reach beyond the box of 3-D, within that of 1-D
        assert len(chosen) <= 2 * reach
    assert_close(chosen, lengths[: 2 * len(chosen) : 2])  # every length occurs as k and as -k


@every_domain
def test_every_head_sees_all_lengths(boundary: tuple[Boundary, ...]) -> None:
    """Dealt in turn: no head's pair j is longer than another's pair j + 1."""
    lengths = wave_vectors(boundary, HEADS, PAIRS).norm(dim=-1)
    assert bool((lengths[:, :-1].amax(0) <= lengths[:, 1:].amin(0) + 1e-6).all())


@every_domain
def test_a_shift_by_one_period_is_the_identity_on_periodic_axes_only(
    boundary: tuple[Boundary, ...],
) -> None:
    grid = (5, 4, 3)[: len(boundary)]
    wave = phases(boundary, grid)
    for axis, (size, name) in enumerate(zip(grid, boundary, strict=True)):
        step = wave.select(axis, 1) / wave.select(axis, 0)
        around = wave.select(axis, size - 1) * step  # one more step than the axis has
        back = float((around - wave.select(axis, 0)).abs().max())
        assert back < 1e-12 if name == "periodic" else back > 1.9


@every_domain
@pytest.mark.parametrize("size", [2, 3])
def test_coarse_cells_lie_in_the_middle_of_their_fine_ones(
    boundary: tuple[Boundary, ...], size: int
) -> None:
    """Phases are linear in the position, so opposite children multiply to the parent's square."""
    ndim = len(boundary)
    fine, coarse = phases(boundary, (2 * size,) * ndim), phases(boundary, (size,) * ndim)
    first = fine[(slice(0, None, 2),) * ndim]
    last = fine[(slice(1, None, 2),) * ndim]
    assert_close(first * last, coarse.square())


def test_rotation_turns_each_pair_by_its_phase(rng: torch.Generator) -> None:
    vectors = torch.tensor([[[1.0, 2.0]], [[0.0, 0.5]]], dtype=torch.float64)  # 2 heads, 1 pair
    x = torch.randn(1, 2, 6, 2, dtype=torch.float64, generator=rng)
    actual = rotate(x, *rotation(vectors, (2, 3)))
    for token, (i, j) in enumerate(itertools.product(range(2), range(3))):
        at = torch.tensor([(i + 0.5) / 2, (j + 0.5) / 3], dtype=torch.float64)
        for head in range(2):
            angle = 2 * math.pi * float(vectors[head, 0] @ at)
            turn = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            expected = torch.tensor(turn, dtype=torch.float64) @ x[0, head, token]
            assert_close(actual[0, head, token], expected)


def test_rotation_keeps_lengths(rng: torch.Generator) -> None:
    vectors = wave_vectors(("open", "periodic"), HEADS, PAIRS).double()
    x = torch.randn(2, HEADS, 12, 2 * PAIRS, dtype=torch.float64, generator=rng)
    turned = rotate(x, *rotation(vectors, (3, 4)))
    assert_close(turned.norm(dim=-1), x.norm(dim=-1))
