"""Fixtures and rules that all tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

# repeatable: the same examples in every run, and no time limit on a loaded machine
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of its own for each test, always with the same seed."""
    return torch.Generator().manual_seed(20260525)


@pytest.fixture
def assert_derivatives_agree() -> Callable[..., None]:
    """Check that whatever PyTorch differentiates and maps by gives the same values.

    Of a function of float64 tensors, away from its kinks. Both modes are compared with finite
    differences, then all others with these two.
    """

    def check(function: Callable[..., object], *inputs: Tensor, mapped: bool = True) -> None:
        def leaves(*given: Tensor) -> tuple[Tensor, ...]:
            return tuple(tree_leaves(function(*given)))

        leafs = tuple(u.detach().clone().requires_grad_() for u in inputs)
        ways: dict[str, Any] = {"check_batched_grad": True, "fast_mode": True}
        gradcheck(leaves, leafs, **ways, check_forward_ad=True, check_batched_forward_grad=True)
        gradgradcheck(leaves, leafs, **ways, check_fwd_over_rev=True)
        _assert_torch_func_agrees(leaves, inputs)
        if mapped:
            _assert_maps_as_a_loop(leaves, inputs)

    return check


def _assert_torch_func_agrees(
    function: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
) -> None:
    every = tuple(range(len(inputs)))
    tangents = tuple(torch.randn_like(u) for u in inputs)
    value, tangent, *_ = jvp(function, inputs, tangents)
    assert_close(value, function(*inputs), rtol=1e-12, atol=1e-12)
    pull = vjp(function, *inputs)[1]
    # <w, J t> = <J^T w, t>
    weights = tuple(torch.randn_like(out) for out in value)
    along = sum((w * t).sum() for w, t in zip(weights, tangent, strict=True))
    back = sum((g * t).sum() for g, t in zip(pull(weights), tangents, strict=True))
    assert_close(along, back, rtol=1e-9, atol=1e-9)
    assert_close(jacrev(function, every)(*inputs), jacfwd(function, every)(*inputs))
    with forward_ad.dual_level():
        pairs = zip(inputs, tangents, strict=True)
        outputs = function(*(forward_ad.make_dual(u, t) for u, t in pairs))
        assert_close(tuple(forward_ad.unpack_dual(out).tangent for out in outputs), tangent)

    def squares(*given: Tensor) -> Tensor:
        return torch.stack([out.square().sum() for out in function(*given)]).sum()

    assert_close(hessian(squares, every)(*inputs), jacrev(jacrev(squares, every), every)(*inputs))


def _assert_maps_as_a_loop(
    function: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...]
) -> None:
    """vmap, over any axis, inside and around of a gradient, equals calling one by one."""
    several = [tuple(k * u.roll(k, -1) for u in inputs) for k in (1, 2, 3)]

    def summed(*given: Tensor) -> Tensor:
        return torch.stack([out.square().sum() for out in function(*given)]).sum()

    gradient = grad(summed, tuple(range(len(inputs))))
    for called in (function, gradient):
        expected = [torch.stack(part) for part in zip(*(called(*u) for u in several), strict=True)]
        for axis in (0, -1):
            stacked = [torch.stack(part, axis) for part in zip(*several, strict=True)]
            found = torch.vmap(called, in_dims=axis)(*stacked)
            assert_close(found, tuple(expected), rtol=1e-10, atol=1e-10)
    # one input mapped, the others the same for all
    expected = [
        torch.stack(part)
        for part in zip(*(function(first, *inputs[1:]) for first, *_ in several), strict=True)
    ]
    dims = (0, *[None] * (len(inputs) - 1))
    firsts = torch.stack([first for first, *_ in several])
    found = torch.vmap(function, in_dims=dims)(firsts, *inputs[1:])
    assert_close(found, tuple(expected), rtol=1e-10, atol=1e-10)


@pytest.fixture
def without_shape_check(request: pytest.FixtureRequest) -> None:
    """For tests that the run-time shape check forestalls: it answers before our own errors do,
    and torch.compile cannot trace it."""
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("the run-time shape check is on")


@pytest.fixture(scope="session")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with five training trajectories and two for the test, 16x16, six frames."""
    # not above: the run-time shape check has to see our modules before they are imported
    from wavelit_plugin.data import DataRequest, make_dataset

    folder = tmp_path_factory.mktemp("waves")
    make_dataset(
        DataRequest(
            out=folder, size=16, trajectories=5, test_trajectories=2, frames=6, oversample=1
        )
    )
    return folder
