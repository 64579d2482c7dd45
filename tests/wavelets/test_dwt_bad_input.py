"""One clear error for each kind of bad input: what was expected, what came, what to do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.wavelets import (
    WaveletCoefficients,
    check_wavelet,
    dwt,
    from_pytorch_wavelets,
    idwt,
    to_pytorch_wavelets,
    wavelet_names,
)


@pytest.fixture
def bands() -> WaveletCoefficients:
    return dwt(torch.zeros(2, 1, 8, 8), levels=2)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (1, 1, 4, 4, 4, 4)])
def test_a_wrong_number_of_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"with 1-3 space axes, got shape \(") as caught:
        dwt(torch.zeros(shape))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 3, 0), (2, 3, 4, 0), (2, 3, 0, 4, 4)])
def test_an_axis_without_points(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least one point"):
        dwt(torch.zeros(shape))


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
def test_a_dtype_that_is_not_floating(dtype: torch.dtype) -> None:
    with pytest.raises(ShapeError, match=rf"floating dtype of 16-64 bits, got {dtype}; "):
        dwt(torch.zeros(1, 1, 4, dtype=dtype))


@pytest.mark.usefixtures("without_shape_check")
def test_what_is_no_tensor() -> None:
    field: Any = np.zeros((1, 1, 4))
    with pytest.raises(ShapeError, match="input must be a torch tensor, got a numpy array"):
        dwt(field)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("levels", [0, -1, 1.5, "2", True, None])
def test_no_level(levels: Any) -> None:
    with pytest.raises(ConfigError, match=f"levels must be a whole number .*, got {levels!r}"):
        dwt(torch.zeros(1, 1, 4), levels=levels)


@pytest.mark.parametrize(
    ("space", "levels"), [((4,), 23), ((5, 3), 13), ((4, 4, 4), 9), ((4,), 64), ((4,), 10**9)]
)
def test_levels_that_would_pad_a_small_field_to_a_huge_one(
    space: tuple[int, ...], levels: int
) -> None:
    u = torch.zeros(1, 1, *space)
    with pytest.raises(ConfigError, match=rf"{levels} levels need 2\*\*{levels} points an axis"):
        dwt(u, levels=levels)


def test_as_many_levels_as_a_field_has_are_never_too_many() -> None:
    bands = dwt(torch.zeros(1, 1, 2**21, dtype=torch.bfloat16), levels=21)
    assert bands.approximation.shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("name", "nearest"), [("harr", "haar"), ("DB4", "db4"), ("coiff3", "coif3"), ("symm5", "sym5")]
)
def test_an_unknown_wavelet_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown wavelet '{name}'; did you mean '{nearest}'"):
        dwt(torch.zeros(1, 1, 4), wavelet=name)
    with pytest.raises(ConfigError, match=f"unknown wavelet '{name}'; did you mean '{nearest}'"):
        idwt(replace(dwt(torch.zeros(1, 1, 4)), wavelet=name))


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
        lambda c: {"details": c.details[::-1]},
        lambda c: {"details": (c.details[0], c.details[1][:, :, :2])},
        lambda c: {"details": (c.details[0], c.details[1][:1])},
        lambda c: {"details": (c.details[0], c.details[1].squeeze(1))},
        lambda c: {"approximation": c.approximation[..., :1]},
    ],
    ids=["coarsest first", "an orientation less", "smaller batch", "no channel", "approximation"],
)
def test_details_that_do_not_belong_together(change: Any, bands: WaveletCoefficients) -> None:
    with pytest.raises(ShapeError, match=r"must have shape \(.*, got \(.*pass what dwt returned"):
        idwt(replace(bands, **change(bands)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 8), r"field of sizes \(8, 8\).*pass what dwt"),
        ((8, 9), r"field of sizes \(8, 8\).*pass what dwt"),
        ((8,), r"of sizes \(8,\) must have 3 axes, got shape \(2, 1, 2, 2\)"),
        ((8, 8, 1), r"of sizes \(8, 8, 1\) must have 5 axes"),
        ((), r"need the sizes of 1-3 space axes, each at least 1, got shape=\(\)"),
        ((8, 0), r"got shape=\(8, 0\)"),
    ],
)
def test_a_shape_that_the_bands_cannot_fill(
    shape: tuple[int, ...], message: str, bands: WaveletCoefficients
) -> None:
    with pytest.raises(ShapeError, match=message):
        idwt(replace(bands, shape=shape))


def test_a_missing_level_is_noticed(bands: WaveletCoefficients) -> None:
    with pytest.raises(ShapeError, match=r"1 levels .*sizes \(4, 4\)"):
        idwt(replace(bands, details=bands.details[1:]))


def half(bands: WaveletCoefficients) -> dict[str, Any]:
    return {"details": tuple(detail.bfloat16() for detail in bands.details)}


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (half, "one dtype and device, got torch.bfloat16 on cpu beside torch.float32 on cpu"),
        (lambda c: {"approximation": c.approximation.to("meta")}, "beside torch.float32 on meta"),
        (lambda c: {"approximation": c.approximation.numpy()}, "approximation must be a torch"),
        (lambda c: {"approximation": c.approximation.int()}, "approximation must have a floating"),
        (lambda c: {"details": c.details[0]}, "details must be a tuple of tensors, got Tensor"),
        (lambda c: {"details": (None, c.details[1])}, "detail bands must be a torch tensor, got N"),
        ({"shape": (8, 8.0)}, r"each at least 1, got shape=\(8, 8.0\)"),
        ({"shape": 8}, "each at least 1, got shape=8"),
        ({"boundary": ("open",)}, "one for each of 2 axes, got 1"),
        ({"boundary": "opn"}, "unknown boundary 'opn'; did you mean 'open'"),
        ({"wavelet": "db2", "boundary": ("open", "wall")}, "'db2' wraps around"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_coefficients_made_by_hand_are_checked_on_use(
    change: Any, message: str, bands: WaveletCoefficients
) -> None:
    changed = replace(bands, **(change if isinstance(change, dict) else change(bands)))
    for use in (idwt, to_pytorch_wavelets):
        with pytest.raises((ShapeError, ConfigError), match=message):
            use(changed)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize("wrong", [(torch.zeros(1, 1, 2), ()), torch.zeros(1, 1, 2), None])
def test_what_are_no_coefficients(wrong: Any) -> None:
    message = f"expected WaveletCoefficients, got {type(wrong).__name__}; pass what dwt returned"
    for use in (idwt, to_pytorch_wavelets):
        with pytest.raises(ShapeError, match=message):
            use(wrong)


def test_coefficients_of_a_mapped_function_say_that_they_have_an_axis_more() -> None:
    u = torch.zeros(3, 1, 1, 8)
    batched = torch.vmap(dwt)(u)
    with pytest.raises(ShapeError, match="must have 3 axes, got shape"):
        idwt(batched)


def test_pytorch_wavelets_has_no_third_axis() -> None:
    bands = dwt(torch.zeros(1, 1, 4, 4, 4))
    message = "1 or 2 space axes, got 3; keep the coefficients of dwt"
    with pytest.raises(ShapeError, match=message):
        to_pytorch_wavelets(bands)
    with pytest.raises(ShapeError, match=message):
        from_pytorch_wavelets(bands.approximation, list(bands.details), wavelet="haar")


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    ("yl", "yh", "options", "message"),
    [
        (np.zeros((1, 1, 4)), [], {}, "yl must be a torch tensor, got a numpy array"),
        (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), {}, "yh must be a list .*, got Tensor"),
        (torch.zeros(1, 1, 4), [torch.zeros(1, 1, 4, 1)], {}, r"must be \(batch, channel, n\)"),
        (torch.zeros(1, 1, 4, 4), [torch.zeros(1, 1, 4, 4)], {}, r"\(batch, channel, 3, h, w\)"),
        (torch.zeros(1, 1, 4), [torch.zeros(1, 1, 5)], {}, "must have shape"),
        (torch.zeros(1, 1, 4), [torch.zeros(1, 1, 4)], {"shape": (6,)}, "is not what a field of"),
        (torch.zeros(1, 1, 4), [torch.zeros(1, 1, 4)], {"shape": 8}, "each at least 1, got shape"),
        (torch.zeros(1, 1, 4), [torch.zeros(1, 1, 4)], {"wavelet": "harr"}, "unknown wavelet"),
        (
            torch.zeros(1, 1, 4),
            [torch.zeros(1, 1, 4)],
            {"wavelet": "db2", "boundary": "open"},
            "'db2' wraps around",
        ),
    ],
)
def test_what_pytorch_wavelets_could_not_have_returned(
    yl: Any, yh: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ShapeError, ConfigError), match=message):
        from_pytorch_wavelets(yl, yh, **{"wavelet": "haar", **options})
