"""One clear error for each kind of bad input: what was expected, what came, what to do."""

from typing import Any

import pytest
import torch

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.wavelets import (
    Pyramid,
    check_wavelet,
    dwt,
    from_pytorch_wavelets,
    idwt,
    to_pytorch_wavelets,
    wavelet_names,
)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (1, 1, 4, 4, 4, 4)])
def test_a_wrong_number_of_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"with 1-3 space axes .*got shape \(") as caught:
        dwt(torch.zeros(shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 3, 0), (2, 3, 4, 0), (2, 3, 0, 4, 4)])
def test_an_axis_without_points(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least one point"):
        dwt(torch.zeros(shape))


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_a_dtype_that_is_not_floating(dtype: torch.dtype) -> None:
    with pytest.raises(ShapeError, match=rf"floating dtype, got {dtype}; call \.float\(\)"):
        dwt(torch.zeros(1, 1, 4, dtype=dtype))


@pytest.mark.parametrize("levels", [0, -1])
def test_no_level(levels: int) -> None:
    with pytest.raises(ConfigError, match=f"levels must be at least 1, got {levels}"):
        dwt(torch.zeros(1, 1, 4), levels=levels)


@pytest.mark.parametrize(
    ("name", "nearest"), [("harr", "haar"), ("DB4", "db4"), ("coiff3", "coif3"), ("symm5", "sym5")]
)
def test_an_unknown_wavelet_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown wavelet '{name}'; did you mean '{nearest}'"):
        dwt(torch.zeros(1, 1, 4), wavelet=name)
    with pytest.raises(ConfigError, match=f"unknown wavelet '{name}'; did you mean '{nearest}'"):
        idwt(dwt(torch.zeros(1, 1, 4)), wavelet=name)


# biorthogonal, continuous, printed with too few digits for an exact inverse, none
@pytest.mark.parametrize("name", ["bior2.2", "rbio1.3", "morl", "dmey", "", "None"])
def test_wavelets_that_are_not_orthonormal_are_unknown(name: str) -> None:
    assert name not in wavelet_names()
    with pytest.raises(ConfigError, match="unknown wavelet"):
        check_wavelet(name, ("periodic",))


@pytest.mark.parametrize("boundary", ["open", "wall", ("periodic", "open")])
def test_long_filters_need_periodic_axes(boundary: str | tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"'db2' wraps around.*use wavelet='haar', or boundary="):
        dwt(torch.zeros(1, 1, 4, 4), wavelet="db2", boundary=boundary)


def test_the_two_taps_of_db1_follow_the_rule_for_long_filters() -> None:
    # only the name haar has the direct path that no boundary can disturb
    with pytest.raises(ConfigError, match="'db1' wraps around"):
        dwt(torch.zeros(1, 1, 4), wavelet="db1", boundary="wall")


@pytest.mark.parametrize("boundary", ["periodik", ("periodic", "periodik")])
def test_an_unknown_boundary(boundary: str | tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="unknown boundary 'periodik'; did you mean 'periodic'"):
        dwt(torch.zeros(1, 1, 4, 4), boundary=boundary)


def test_a_wrong_number_of_boundaries() -> None:
    with pytest.raises(ConfigError, match="one for each of 2 axes, got 3"):
        dwt(torch.zeros(1, 1, 4, 4), boundary=("open", "open", "open"))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p._replace(details=p.details[::-1]),
        lambda p: p._replace(details=(p.details[0], p.details[1][:, :, :2])),
        lambda p: p._replace(details=(p.details[0], p.details[1][:1])),
        lambda p: p._replace(details=(p.details[0], p.details[1].squeeze(1))),
        lambda p: p._replace(approximation=p.approximation[..., :1]),
    ],
    ids=["coarsest first", "an orientation less", "smaller batch", "no channel", "approximation"],
)
def test_details_that_do_not_belong_together(change: Any) -> None:
    pyramid = dwt(torch.zeros(2, 1, 8, 8), levels=2)
    with pytest.raises(ShapeError, match=r"must have shape \(.*, got \(.*pass what dwt returned"):
        idwt(change(pyramid))


@pytest.mark.parametrize("shape", [(8,), (8, 8, 1), (4, 8), (8, 9), ()])
def test_a_shape_that_the_bands_cannot_fill(shape: tuple[int, ...]) -> None:
    pyramid = dwt(torch.zeros(2, 1, 8, 8), levels=2)
    with pytest.raises(ShapeError, match=r"field of sizes \(8, 8\).*pass the shape that dwt"):
        idwt(pyramid._replace(shape=shape))


def test_a_missing_level_is_noticed() -> None:
    pyramid = dwt(torch.zeros(2, 1, 8, 8), levels=2)
    with pytest.raises(ShapeError, match=r"1 levels .*sizes \(4, 4\)"):
        idwt(pyramid._replace(details=pyramid.details[1:]))


def test_pytorch_wavelets_has_no_third_axis() -> None:
    pyramid = dwt(torch.zeros(1, 1, 4, 4, 4))
    with pytest.raises(ShapeError, match="1 or 2 space axes, got 3; keep the Pyramid"):
        to_pytorch_wavelets(pyramid)
    with pytest.raises(ShapeError, match="1 or 2 space axes, got 3; keep the Pyramid"):
        from_pytorch_wavelets(*pyramid[:1], list(pyramid.details))


def test_a_pyramid_from_elsewhere_is_checked_on_use() -> None:
    pyramid = Pyramid(torch.zeros(1, 1, 4), (torch.zeros(1, 1, 4),), (8,))
    with pytest.raises(ShapeError, match=r"must have shape \(1, 1, 1, 4\), got \(1, 1, 4\)"):
        idwt(pyramid)
