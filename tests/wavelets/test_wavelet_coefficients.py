"""Coefficients know what they were made with, and are a pytree of their tensors."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import Dim, export
from torch.testing import assert_close
from torch.utils import _pytree as pytree

from wavelit_plugin.shapes import BOUNDARIES
from wavelit_plugin.wavelets import WaveletCoefficients, dwt, idwt, wavelet_names

KINDS = [("haar", "open"), ("haar", "periodic"), ("db4", "periodic")]
every_kind = pytest.mark.parametrize(("wavelet", "boundary"), KINDS)


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


@given(
    wavelet=st.sampled_from(wavelet_names()),
    space=st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
    levels=st.integers(1, 3),
    data=st.data(),
)
def test_the_inverse_needs_no_further_word(
    wavelet: str, space: tuple[int, ...], levels: int, data: st.DataObject
) -> None:
    names = BOUNDARIES if wavelet == "haar" else ["periodic"]
    boundary = [data.draw(st.sampled_from(names)) for _ in space]
    u = field(2, 1, *space)
    # the least orthonormal filter, sym20, is exact to 3e-11 an axis and level
    assert_close(
        idwt(dwt(u, wavelet=wavelet, levels=levels, boundary=boundary)), u, atol=1e-9, rtol=0
    )


@every_kind
def test_it_is_a_pytree_of_its_tensors(wavelet: str, boundary: str) -> None:
    bands = dwt(field(1, 2, 5, 8), wavelet=wavelet, levels=2, boundary=boundary)
    leaves, tree = pytree.tree_flatten(bands)
    assert all(a is b for a, b in zip(leaves, [bands.approximation, *bands.details], strict=True))
    doubled = pytree.tree_unflatten([2 * leaf for leaf in leaves], tree)
    assert isinstance(doubled, WaveletCoefficients)
    assert_close(idwt(doubled), 2 * idwt(bands))
    assert pytree.treespec_loads(pytree.treespec_dumps(tree)) == tree
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(bands)[0]]
    assert paths == [".approximation", ".details[0]", ".details[1]"]


def test_different_coefficients_are_different_trees() -> None:
    """So that two of them are not added by accident."""
    u = field(1, 1, 8)
    trees = [
        pytree.tree_structure(dwt(u, wavelet=wavelet, levels=levels, boundary=boundary))
        for wavelet, levels, boundary in [
            ("haar", 1, "open"),
            ("haar", 2, "open"),
            ("haar", 1, "wall"),
            ("db1", 1, "periodic"),
        ]
    ]
    assert all(a != b for i, a in enumerate(trees) for b in trees[:i])


def damped(bands: WaveletCoefficients) -> WaveletCoefficients:
    return replace(bands, details=tuple(0.5 * detail for detail in bands.details))


@every_kind
@pytest.mark.usefixtures("without_shape_check")
def test_it_goes_into_and_out_of_a_compiled_function(wavelet: str, boundary: str) -> None:
    torch.compiler.reset()
    u = field(2, 1, 7, 8)
    transform = torch.compile(
        lambda v: dwt(v, wavelet=wavelet, levels=2, boundary=boundary),
        fullgraph=True,
        backend="aot_eager",
    )
    inverse = torch.compile(lambda bands: idwt(damped(bands)), fullgraph=True, backend="aot_eager")
    bands = transform(u)
    assert isinstance(bands, WaveletCoefficients)
    expected = dwt(u, wavelet=wavelet, levels=2, boundary=boundary)
    assert pytree.tree_structure(bands) == pytree.tree_structure(expected)
    assert_close(pytree.tree_leaves(bands), pytree.tree_leaves(expected))
    assert_close(inverse(bands), idwt(damped(expected)))


@every_kind
def test_every_transform_of_torch_func_returns_it(wavelet: str, boundary: str) -> None:
    u, v = field(3, 1, 7, 8), field(3, 1, 7, 8, seed=1)

    def transform(w: Tensor) -> WaveletCoefficients:
        return dwt(w, wavelet=wavelet, levels=2, boundary=boundary)

    value, tangent, *_ = torch.func.jvp(transform, (u,), (v,))
    mapped = torch.vmap(lambda w: transform(w[None]))(u)
    for found, expected in ((value, transform(u)), (tangent, transform(v))):
        assert_close(pytree.tree_leaves(found), pytree.tree_leaves(expected))
    assert isinstance(mapped, WaveletCoefficients)
    whole = pytree.tree_map(lambda band: band.squeeze(1), mapped)
    assert_close(idwt(whole), u)


class Call(nn.Module):
    def __init__(self, call: Callable[..., object]) -> None:
        super().__init__()
        self.call = call

    def forward(self, given: object) -> object:
        return self.call(given)


@every_kind
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.usefixtures("without_shape_check")
def test_it_goes_into_and_out_of_an_exported_program_of_any_batch(
    wavelet: str, boundary: str, *, strict: bool
) -> None:
    def transform(u: Tensor) -> WaveletCoefficients:
        return dwt(u, wavelet=wavelet, levels=2, boundary=boundary)

    batch = Dim("batch", min=1)
    u, other = field(3, 1, 7, 8), field(5, 1, 7, 8, seed=1)
    there = export(Call(transform), (u,), dynamic_shapes=({0: batch},), strict=strict)
    bands = transform(u)
    # a list is how torch.export spells the shapes of what is registered
    dynamic = [{0: batch}, ({0: batch}, {0: batch})]
    back = export(Call(idwt), (bands,), dynamic_shapes=(dynamic,), strict=strict)
    found = there.module()(other)
    assert isinstance(found, WaveletCoefficients)
    assert_close(pytree.tree_leaves(found), pytree.tree_leaves(transform(other)))
    assert_close(back.module()(found), other)
