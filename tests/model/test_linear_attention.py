"""Attention equals its quadratic definition, and keeps the symmetries that the formula has.

The reference weighs every pair of tokens explicitly, in complex numbers: feature pair j of a head
is one complex number of two neighbours, which position x turns by the phase 2 pi k_j . x.
"""

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model.attention import LinearAttention, Places, centred_attention
from wavelit_plugin.model.long_waves import WaveFunctions
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.shapes import Boundary

Awake = Callable[[nn.Module], nn.Module]
FLOOR = 1e-3  # beside z, so that 1/z stays finite
HEADS, PAIRS = 2, 4


def positions(grid: tuple[int, ...]) -> Tensor:
    """(token, axis) cell centres in a unit domain."""
    centres = itertools.product(*([(i + 0.5) / size for i in range(size)] for size in grid))
    return torch.tensor(list(centres), dtype=torch.float64)


def pairwise(q: Tensor, k: Tensor, v: Tensor, vectors: Tensor, x: Tensor) -> Tensor:
    """(token, feature) output of one sample and head; vectors (pair, axis), x (token, axis)."""
    count, features = q.shape
    q, k = F.elu(q) + 1, F.elu(k) + 1
    phase = torch.exp(2j * torch.pi * (x @ vectors.T))
    turned_q, turned_k = (torch.complex(t[:, 0::2], t[:, 1::2]) * phase for t in (q, k))
    z = (q @ k.T).mean(1, keepdim=True) / features**0.5
    weight_nm = (
        (turned_q @ turned_k.conj().T).real / (count * features**0.5) * (1 + 1 / (z + FLOOR))
    )
    return weight_nm @ (v - v.mean(0)) + v.mean(0)


def places_of(boundary: tuple[Boundary, ...], grid: tuple[int, ...]) -> Places:
    vectors = wave_vectors(boundary, HEADS, PAIRS).double()
    return Places(*rotation(vectors, grid), WaveFunctions(boundary).double()(grid))


def reference(q: Tensor, k: Tensor, v: Tensor, vectors: Tensor, grid: tuple[int, ...]) -> Tensor:
    """``pairwise`` for (batch, token, head, feature)."""
    x, out = positions(grid), torch.empty_like(v)
    for b, h in itertools.product(range(q.shape[0]), range(q.shape[2])):
        out[b, :, h] = pairwise(q[b, :, h], k[b, :, h], v[b, :, h], vectors[h], x)
    return out


def random_qkv(tokens: int, rng: torch.Generator) -> list[Tensor]:
    shape = (3, 2, tokens, HEADS, 2 * PAIRS)
    return list(torch.randn(shape, dtype=torch.float64, generator=rng))


@pytest.mark.parametrize(
    ("grid", "boundary"),
    [((6,), ("periodic",)), ((3, 4), ("periodic", "open")), ((2, 3, 2), ("wall",) * 3)],
)
def test_attention_equals_the_sum_over_all_pairs(
    grid: tuple[int, ...], boundary: tuple[Boundary, ...], rng: torch.Generator
) -> None:
    vectors = wave_vectors(boundary, HEADS, PAIRS).double()
    q, k, v = random_qkv(positions(grid).shape[0], rng)
    actual = centred_attention(q, k, v, rotation(vectors, grid))
    assert_close(actual, reference(q, k, v, vectors, grid))


def test_a_constant_value_passes_unchanged(rng: torch.Generator) -> None:
    q, k, v = random_qkv(12, rng)
    constant = v[:, :1].expand_as(v)
    turned = rotation(wave_vectors(("open", "open"), HEADS, PAIRS).double(), (3, 4))
    assert_close(centred_attention(3 * q, k, constant, turned), constant)


def test_adding_a_constant_to_the_values_adds_it_to_the_output(rng: torch.Generator) -> None:
    q, k, v = random_qkv(12, rng)
    turned = rotation(wave_vectors(("open", "open"), HEADS, PAIRS).double(), (3, 4))
    shifted = centred_attention(q, k, v + 100, turned)
    assert_close(shifted, centred_attention(q, k, v, turned) + 100, rtol=1e-12, atol=1e-11)


def test_without_rotation_the_order_of_the_tokens_does_not_matter(rng: torch.Generator) -> None:
    q, k, v = random_qkv(10, rng)
    still = rotation(torch.zeros(HEADS, PAIRS, 1, dtype=torch.float64), (10,))
    order = torch.randperm(10, generator=rng)
    shuffled = centred_attention(q[:, order], k[:, order], v[:, order], still)
    assert_close(shuffled, centred_attention(q, k, v, still)[:, order])


def test_with_rotation_the_order_of_the_tokens_matters(rng: torch.Generator) -> None:
    q, k, v = random_qkv(10, rng)
    turned = rotation(wave_vectors(("periodic",), HEADS, PAIRS).double(), (10,))
    swapped = torch.tensor([1, 0, *range(2, 10)])
    shuffled = centred_attention(q[:, swapped], k[:, swapped], v[:, swapped], turned)
    difference = shuffled - centred_attention(q, k, v, turned)[:, swapped]
    assert float(difference.abs().max()) > 1e-2


@pytest.mark.parametrize("shift", [1, 3])
def test_on_a_periodic_axis_only_distances_matter(shift: int, rng: torch.Generator) -> None:
    q, k, v = random_qkv(10, rng)
    turned = rotation(wave_vectors(("periodic",), HEADS, PAIRS).double(), (10,))
    moved = centred_attention(q.roll(shift, 1), k.roll(shift, 1), v.roll(shift, 1), turned)
    assert_close(moved, centred_attention(q, k, v, turned).roll(shift, 1))


def test_longer_queries_attend_more_strongly(rng: torch.Generator) -> None:
    """The norm of the query is kept: o - mean v is affine in it, its constant part being 1/z."""
    q, k, v = random_qkv(10, rng)
    q = q.abs() + 1  # where elu is linear, so that elu + 1 may be scaled
    still = rotation(torch.zeros(HEADS, PAIRS, 1, dtype=torch.float64), (10,))
    mean = v.mean(1, keepdim=True)
    parts = [centred_attention(s * (q + 1) - 1, k, v, still) - mean for s in (1.0, 2.0, 3.0)]
    # the floor beside z breaks the law by floor/z, less than 1e-3 of the ratio
    assert_close(parts[2] - parts[1], parts[1] - parts[0], rtol=5e-3, atol=5e-4)
    assert float((parts[1] - parts[0]).abs().max()) > 0.1


@pytest.mark.parametrize("grid", [(6,), (3, 4), (2, 3, 2)])
def test_the_layer_joins_attention_and_a_local_term_behind_a_linear_gate(
    grid: tuple[int, ...], awake: Awake, rng: torch.Generator
) -> None:
    """y = W_o ((a attention(q, k, v) + waves(v) + conv(v)) (1 + g)), heads slices of features."""
    width = HEADS * 2 * PAIRS
    mixed_axes: tuple[Boundary, ...] = ("open", "periodic", "wall")
    boundary = mixed_axes[: len(grid)]
    layer = LinearAttention(width, HEADS, boundary).double()
    awake(layer)
    vectors = wave_vectors(boundary, HEADS, PAIRS).double()
    x = torch.randn(2, *grid, width, dtype=torch.float64, generator=rng)
    projected = x @ layer.project.weight.T + layer.project.bias
    query, key, value, gate = projected.split(width, dim=-1)
    heads = [t.reshape(2, -1, HEADS, 2 * PAIRS) for t in (query, key, value)]
    mixed = reference(heads[0], heads[1], heads[2], vectors, grid).reshape(x.shape)
    places = places_of(boundary, grid)
    assert layer.waves is not None
    placed = layer.local(value) + layer.waves(value, places.waves)
    gated = (0.1 * layer.gain * mixed + placed) * (1 + gate)
    expected = gated @ layer.out.weight.T + layer.out.bias
    assert_close(layer(x, places), expected)


def test_a_new_layer_is_local(rng: torch.Generator) -> None:
    layer = LinearAttention(HEADS * 2 * PAIRS, HEADS, ("periodic",)).double()
    x = torch.randn(1, 12, HEADS * 2 * PAIRS, dtype=torch.float64, generator=rng)
    other = x.clone()
    other[:, 6] += 1.0

    def changed() -> Tensor:
        places = places_of(("periodic",), (12,))
        return (layer(other, places) - layer(x, places)).abs().amax((0, 2)) > 1e-12

    assert changed().nonzero().flatten().tolist() == [5, 6, 7]
    torch.nn.init.ones_(layer.gain)
    assert bool(changed().all())
