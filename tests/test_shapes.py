"""The shape checks: they let good input through and name the axis and the sizes of bad input."""

from typing import Any

import pytest
import torch

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.shapes import BOUNDARIES, check_field, check_same_shape, per_axis


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


def test_equal_shapes_pass() -> None:
    check_same_shape(prediction=torch.zeros(2, 1, 4), target=torch.ones(2, 1, 4))


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"prediction \(2, 1, 4\), target \(2, 3, 4\)"):
        check_same_shape(prediction=torch.zeros(2, 1, 4), target=torch.zeros(2, 3, 4))
