"""The shape checks: they let good input through and name the axis and the sizes of bad input."""

from typing import Any

import numpy as np
import pytest
import torch

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import (
    BOUNDARIES,
    check_field,
    check_int,
    check_same_shape,
    check_tensor,
    per_axis,
)

HALF = [torch.float16, torch.bfloat16]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_one_boundary_is_repeated_for_every_axis(boundary: str, ndim: int) -> None:
    assert per_axis(boundary, ndim) == (boundary,) * ndim


def test_boundaries_keep_the_order_of_the_axes() -> None:
    assert per_axis(["wall", "periodic", "open"], 3) == ("wall", "periodic", "open")


@pytest.mark.parametrize("boundary", [["wall"], ["wall", "wall", "open"], []])
def test_a_wrong_number_of_boundaries_is_refused(boundary: list[str]) -> None:
    with pytest.raises(ConfigError, match=rf"each of 2 axes, got {len(boundary)}"):
        per_axis(boundary, 2)


@pytest.mark.parametrize("boundary", [None, 2])
def test_what_is_no_name_at_all_is_refused(boundary: Any) -> None:
    with pytest.raises(ConfigError, match=f"one for each axis, got {boundary}"):
        per_axis(boundary, 2)


@pytest.mark.parametrize("boundary", ["Periodic", ["wall", "periodik"], "periods"])
def test_an_unknown_boundary_is_refused_with_the_nearest(boundary: str | list[str]) -> None:
    with pytest.raises(ConfigError, match=r"unknown boundary .*did you mean 'periodic'"):
        per_axis(boundary, 2)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_field_with_the_asked_axes_and_channels_passes(ndim: int) -> None:
    check_field(torch.zeros(2, 3, *(4,) * ndim), ndim=ndim)
    check_field(torch.zeros(2, 3, *(4,) * ndim), ndim=ndim, channels=3)


@pytest.mark.parametrize("ndim", [1, 3])
def test_a_wrong_number_of_axes_is_refused_with_the_ndim_that_fits(ndim: int) -> None:
    with pytest.raises(ShapeError, match=r"velocity must be .*got shape \(2, 3, 4, 4\).*ndim=2"):
        check_field(torch.zeros(2, 3, 4, 4), ndim=ndim, name="velocity")


def test_the_ndim_that_fits_is_at_least_one() -> None:
    with pytest.raises(ShapeError, match=r"ndim=1$"):
        check_field(torch.zeros(3), ndim=2)


def test_a_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(ShapeError, match="must have 5 channels on axis 1, got 3"):
        check_field(torch.zeros(2, 3, 4), ndim=1, channels=5)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_without_a_number_any_of_one_to_three_space_axes_passes(ndim: int) -> None:
    check_field(torch.zeros(0, 0, *(1,) * ndim))


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (1, 1, 4, 4, 4, 4)])
def test_without_a_number_other_axes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"u must be .* 1-3 space axes, got shape \(") as caught:
        check_field(torch.zeros(shape), name="u")
    assert str(shape) in str(caught.value)


def test_an_axis_without_points_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"space axis of input needs .*got shape \(2, 3, 4, 0\)"):
        check_field(torch.zeros(2, 3, 4, 0), ndim=2)


@pytest.mark.parametrize("dtype", [*HALF, torch.float32, torch.float64])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_floating_tensors_pass_wherever_they_are(dtype: torch.dtype, device: str) -> None:
    check_tensor(torch.zeros(2, 3, 4, dtype=dtype, device=device))


without_shape_check = pytest.mark.usefixtures("without_shape_check")


@without_shape_check
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((1, 1, 4)), "target must be a torch tensor, got a numpy array; convert it by"),
        ([[[1.0]]], r"got list; convert it by torch.as_tensor\(target, dtype=torch.float32\)"),
        (None, "target must be a torch tensor, got NoneType; pass one"),
        (torch.zeros(1, 1, 4, dtype=torch.int64), "16-64 bits, got torch.int64; call .float()"),
        (torch.zeros(1, 1, 4).to(torch.float8_e5m2), "got torch.float8_e5m2; call .float()"),
        (torch.zeros(1, 1, 4, dtype=torch.complex64), "pass real and imaginary part as two"),
        (torch.zeros(1, 1, 4).to_sparse(), "dense tensor, got torch.sparse_coo; make it dense"),
        (torch.nested.nested_tensor([torch.zeros(2)], layout=torch.jagged), "a nested one"),
    ],
    ids=["numpy", "list", "none", "integer", "float8", "complex", "sparse", "nested"],
)
def test_what_is_no_dense_floating_tensor_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        check_tensor(value, name="target")
    with pytest.raises(ShapeError, match=message):
        check_field(value, name="target")
    with pytest.raises(ShapeError, match=message):
        check_same_shape(prediction=torch.zeros(1, 1, 4), target=value)


@without_shape_check
@pytest.mark.parametrize("value", [0, -3, 2.0, "2", True, None])
def test_what_is_no_count_is_refused(value: Any) -> None:
    check_int("levels", 1, 1)
    with pytest.raises(ConfigError, match="levels must be a whole number of at least 1, got"):
        check_int("levels", value, 1)


def test_equal_shapes_pass() -> None:
    check_same_shape(prediction=torch.zeros(2, 1, 4), target=torch.ones(2, 1, 4))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"prediction \(2, 1, 4\), target \(2, 3, 4\)"):
        check_same_shape(prediction=torch.zeros(2, 1, 4), target=torch.zeros(2, 3, 4))


def test_tensors_on_two_devices_are_refused() -> None:
    with pytest.raises(ShapeError, match="prediction on cpu, target on meta; move one"):
        check_same_shape(prediction=torch.zeros(2, 4), target=torch.zeros(2, 4, device="meta"))
