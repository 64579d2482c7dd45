"""Gradients written by hand equal finite differences, and may be differentiated again."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from wavelit_plugin.model import attention, extension, norm, refinement
from wavelit_plugin.model.rotation import rotation, wave_vectors
from wavelit_plugin.wavelets.writing import evaluate

HEADS, PAIRS, GRID = 2, 2, (2, 3)
WIDTH = 2 * HEADS * PAIRS


def normalised(rng: torch.Generator) -> tuple[Any, tuple[Tensor, ...]]:
    inputs = random(2, 3, 4, rng=rng), random(4, rng=rng), random(4, rng=rng)
    return lambda *given: evaluate(norm._Normalise, *given)[0], inputs


def features(rng: torch.Generator) -> tuple[Any, tuple[Tensor, ...]]:
    def split(projected: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = evaluate(attention._Features, projected, bias, HEADS)
        return found

    return split, (random(2, 3, 16, rng=rng), random(16, rng=rng))


def attended(rng: torch.Generator) -> tuple[Any, tuple[Tensor, ...]]:
    turned = rotation(wave_vectors(("open", "periodic"), HEADS, PAIRS).double(), GRID)
    shape = (2, GRID[0] * GRID[1], HEADS, 2 * PAIRS)
    pairs = random(2, shape[0], HEADS, shape[1], 2 * PAIRS, rng=rng)
    value = random(*shape, rng=rng)
    gain = random(*shape[2:], rng=rng)

    def attend(pairs: Tensor, value: Tensor, gain: Tensor) -> Tensor:
        positive = attention._positive(pairs)
        mixed: Tensor = evaluate(attention._CentredAttention, positive, value, gain, *turned)
        return mixed

    return attend, (pairs, value, gain)


def joined(rng: torch.Generator) -> tuple[Any, tuple[Tensor, ...]]:
    inputs = tuple(random(2, 3, 4, rng=rng) for _ in range(3))
    return refinement._Joined.apply, inputs


def extended(rng: torch.Generator) -> tuple[Any, tuple[Tensor, ...]]:
    ends = (True, False, None)
    return lambda x: extension._extended(x, ends), (random(2, 3, 1, 2, 2, rng=rng),)


def random(*shape: int, rng: torch.Generator) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=rng, requires_grad=True)


every_function = pytest.mark.parametrize("make", [normalised, features, attended, joined, extended])


@every_function
def test_first_and_second_derivatives_match_finite_differences(
    make: Callable[[torch.Generator], Any], rng: torch.Generator
) -> None:
    function, inputs = make(rng)
    gradcheck(function, inputs)
    gradgradcheck(function, inputs)


@every_function
def test_a_gradient_that_is_recorded_has_the_value_of_one_that_is_not(
    make: Callable[[torch.Generator], Any], rng: torch.Generator
) -> None:
    """Recorded, results are copied into their place; else they are computed there."""
    function, inputs = make(rng)
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = [torch.randn(o.shape, dtype=o.dtype, generator=rng) for o in outputs]
    plain, recorded = (
        torch.autograd.grad(outputs, inputs, weights, retain_graph=True, create_graph=create)
        for create in (False, True)
    )
    assert_close(plain, recorded, rtol=1e-14, atol=1e-14)


@every_function
def test_the_formula_alone_has_the_same_gradient(
    make: Callable[[torch.Generator], Any],
    rng: torch.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the compiler is given: forward without the hand-written backward."""
    function, inputs = make(rng)
    outputs = as_tuple(function(*inputs))
    weights = [torch.randn(o.shape, dtype=o.dtype, generator=rng) for o in outputs]
    expected = torch.autograd.grad(outputs, inputs, weights)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    formula = getattr(getattr(function, "__self__", None), "forward", function)
    outputs = as_tuple(formula(*inputs))
    assert_close(torch.autograd.grad(outputs, inputs, weights), expected, rtol=1e-12, atol=1e-12)


def as_tuple(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)
