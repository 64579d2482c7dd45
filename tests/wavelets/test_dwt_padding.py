"""Sizes that the levels do not divide wrap around on periodic axes and repeat the end elsewhere.

The reference is numpy.pad; the transform of the padded field is the same operation, so the
coefficients must agree bit for bit.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavelit_plugin.shapes import BOUNDARIES
from wavelit_plugin.wavelets import dwt, padded_size


def numpy_pad(u: torch.Tensor, levels: int, boundary: tuple[str, ...]) -> torch.Tensor:
    padded = u.numpy()
    for axis, name in enumerate(boundary, start=2):
        before_after = [(0, 0)] * u.ndim
        before_after[axis] = (0, -u.shape[axis] % 2**levels)
        if name == "periodic":
            padded = np.pad(padded, before_after, mode="wrap")
        else:
            padded = np.pad(padded, before_after, mode="edge")
    return torch.from_numpy(padded)


@given(size=st.integers(1, 10_000), levels=st.integers(1, 12))
def test_the_padded_size_is_the_next_multiple(size: int, levels: int) -> None:
    padded = padded_size(size, levels)
    assert padded % 2**levels == 0
    assert size <= padded < size + 2**levels


@given(
    axes=st.lists(
        st.tuples(st.integers(1, 9), st.sampled_from(BOUNDARIES)), min_size=1, max_size=3
    ),
    levels=st.integers(1, 4),
)
def test_haar_extends_each_axis_by_its_own_rule(axes: list[tuple[int, str]], levels: int) -> None:
    space, boundary = zip(*axes, strict=True)
    u = torch.randn(2, 1, *space, dtype=torch.float64)
    ours = dwt(u, levels=levels, boundary=boundary)
    padded = dwt(numpy_pad(u, levels, boundary), levels=levels, boundary=boundary)
    assert torch.equal(ours.approximation, padded.approximation)
    assert all(map(torch.equal, ours.details, padded.details))
    assert ours.shape == space


@pytest.mark.parametrize("space", [(1,), (7,), (3, 10), (2, 3, 5)])
def test_long_filters_wrap_around(space: tuple[int, ...]) -> None:
    u = torch.randn(2, 1, *space, dtype=torch.float64)
    ours = dwt(u, wavelet="db4", levels=3)
    padded = dwt(numpy_pad(u, 3, ("periodic",) * len(space)), wavelet="db4", levels=3)
    assert torch.equal(ours.approximation, padded.approximation)
    assert all(map(torch.equal, ours.details, padded.details))


def test_the_two_rules_differ() -> None:
    u = torch.tensor([[[1.0, 2.0, 4.0]]])
    detail = {name: dwt(u, boundary=name).details[0][0, 0, 0, -1].item() for name in BOUNDARIES}
    # the last pair is (4, 1) where the axis wraps around, else (4, 4)
    assert detail == pytest.approx({"periodic": 3 * 0.5**0.5, "wall": 0.0, "open": 0.0})
