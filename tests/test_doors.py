"""Whatever comes to a public function: the right shape if it is valid, else one of our errors.

What is valid is said here once more, in the words of the documentation. The examples are the same
in every run.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavelit_plugin import WaveletLoss, dwt, idwt
from wavelit_plugin.errors import WavelitError
from wavelit_plugin.loss import wavelet_loss
from wavelit_plugin.metrics import relative_l2, vrmse
from wavelit_plugin.rollout import rollout
from wavelit_plugin.wavelets import (
    WaveletCoefficients,
    from_pytorch_wavelets,
    padded_size,
    to_pytorch_wavelets,
)

# the run-time shape check would answer before our own errors do
pytestmark = pytest.mark.usefixtures("without_shape_check")

FLOATING = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
OTHER = [torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn]
NO_TENSORS: list[Any] = [None, 1.0, "u", [], [[1.0]], np.zeros((2, 1, 4)), np.float32(1.0)]
VALUES = [0.0, 1.0, -1e-30, 1e30, float("inf"), float("nan")]

# mostly valid, so that what lies behind the door is tried too
many = settings(max_examples=250)
shapes = st.one_of(
    *[st.lists(st.integers(1, 5), min_size=n, max_size=n) for n in (3, 4, 5)] * 3,
    st.lists(st.integers(0, 4), max_size=6),
).map(tuple)
dtypes = st.sampled_from([*FLOATING * 4, *OTHER])


@st.composite
def tensors(draw: st.DrawFn, shape: st.SearchStrategy[tuple[int, ...]] = shapes) -> Tensor:
    """Of any dtype, layout, device and value, contiguous or not."""
    sizes, value = draw(shape), draw(st.sampled_from(VALUES))
    u = torch.linspace(-1, 1, max(int(np.prod(sizes)), 1))[: int(np.prod(sizes))].reshape(sizes)
    u = (u * 3 if value == 1.0 else torch.full_like(u, value)).to(draw(dtypes))
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda v: v.mT.contiguous().mT if v.ndim > 1 else v,
        lambda v: v.to("meta"),
        lambda v: v.to_sparse(),
        lambda v: v.requires_grad_(),
        lambda v: v[:1].expand(v.shape) if v.ndim else v,
    ]
    if draw(st.booleans()):
        with suppress(RuntimeError):  # not every dtype has every layout, nor a gradient
            u = draw(st.sampled_from(changes))(u)
    return u


anything = st.one_of(tensors(), tensors(), tensors(), st.sampled_from(NO_TENSORS))
levels = st.sampled_from([*[1, 2, 3] * 6, 0, -1, 1.5, "2", True, None, 99, 10**12])
wavelets = st.sampled_from([*["haar"] * 9, "db2", "sym5", "harr", "bior2.2", None, 3])
boundaries = st.sampled_from(
    [
        *["periodic", "wall", "open"] * 4,
        *[("open", "wall"), ("periodic",), (), None, "opn", 1, (None,)],
    ]
)


def is_field(u: Any) -> bool:
    return (
        isinstance(u, Tensor)
        and u.dtype in FLOATING
        and u.layout == torch.strided
        and 3 <= u.ndim <= 5
        and 0 not in u.shape[2:]
    )


def alike(*given: Any) -> bool:
    return all(map(is_field, given)) and all(
        a.shape == b.shape and a.device == b.device for a, b in pairwise(given)
    )


def suits(wavelet: Any, depth: Any, boundary: Any, ndim: int) -> bool:
    """Whether a transform has these options."""
    names = (boundary,) * ndim if isinstance(boundary, str) else boundary
    return (
        wavelet in {"haar", "db2", "sym5"}
        and type(depth) is int
        and 1 <= depth < 99
        and isinstance(names, tuple)
        and len(names) == ndim
        and all(name in {"periodic", "wall", "open"} for name in names)
        and (wavelet == "haar" or set(names) == {"periodic"})
    )


def outcome(call: Callable[[], Any], *, valid: bool) -> Any:
    """Return what came out, or None after one of our errors, whichever is due."""
    if valid:
        return call()
    with pytest.raises(WavelitError) as caught:
        call()
    said = str(caught.value)
    assert len(said) > 20, said
    assert "\n" not in said, said
    return None


def assert_coefficients_of(u: Tensor, found: WaveletCoefficients, depth: int) -> None:
    sizes = [padded_size(size, depth) for size in u.shape[2:]]
    orientations = 2 ** len(sizes) - 1
    for level, detail in enumerate(found.details, start=1):
        grid = [size >> level for size in sizes]
        assert detail.shape == (*u.shape[:2], orientations, *grid)
        assert (detail.dtype, detail.device) == (u.dtype, u.device)
    assert found.approximation.shape == (*u.shape[:2], *(size >> depth for size in sizes))
    assert found.levels == depth


@many
@given(u=anything, wavelet=wavelets, depth=levels, boundary=boundaries)
def test_dwt(u: Any, wavelet: Any, depth: Any, boundary: Any) -> None:
    valid = is_field(u) and suits(wavelet, depth, boundary, u.ndim - 2)
    found = outcome(lambda: dwt(u, wavelet=wavelet, levels=depth, boundary=boundary), valid=valid)
    if valid:
        assert_coefficients_of(u, found, depth)
        assert idwt(found).shape == u.shape


@st.composite
def coefficients(draw: st.DrawFn) -> Any:
    """Those of a field with one of their parts exchanged for something else, or something else."""
    if draw(st.integers(0, 9)) == 0:
        return draw(anything)
    u = torch.ones(draw(shapes.filter(lambda shape: 3 <= len(shape) <= 5 and 0 not in shape)))
    found = dwt(u, levels=draw(st.integers(1, 3)))
    other = dwt(u.double() if draw(st.booleans()) else u, levels=draw(st.integers(1, 3)))
    name = draw(st.sampled_from([field.name for field in fields(WaveletCoefficients)]))
    sizes = st.tuples(*[st.integers(0, 6) for _ in found.shape])
    strange: dict[str, st.SearchStrategy[Any]] = {
        "approximation": anything,
        "details": st.one_of(anything, st.lists(anything, max_size=3).map(tuple)),
        "shape": st.one_of(sizes, shapes, st.sampled_from([None, 4, "44", (4.0,), (None,)])),
        "wavelet": wavelets,
        "boundary": boundaries,
    }
    value = draw(st.one_of(strange[name], st.just(getattr(other, name))))
    return replace(found, **{name: value})


@many
@given(given=coefficients())
def test_idwt(given: Any) -> None:
    for use in (idwt, to_pytorch_wavelets):
        try:
            found = use(given)
        except WavelitError as error:
            assert "\n" not in str(error)  # noqa: PT017  (either is right)
            continue
        if use is idwt:
            assert isinstance(found, Tensor)
            assert found.shape == (*given.approximation.shape[:2], *given.shape)
            assert found.dtype == given.approximation.dtype


@many
@given(
    low=anything,
    high=st.one_of(anything, st.lists(anything, max_size=2)),
    wavelet=wavelets,
    boundary=boundaries,
    shape=st.one_of(st.none(), shapes, st.just("44")),
)
def test_from_pytorch_wavelets(
    low: Any, high: Any, wavelet: Any, boundary: Any, shape: Any
) -> None:
    try:
        found = from_pytorch_wavelets(low, high, wavelet=wavelet, boundary=boundary, shape=shape)
    except WavelitError as error:
        assert "\n" not in str(error)  # noqa: PT017  (either is right)
        return
    assert idwt(found).shape == (*low.shape[:2], *found.shape)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two of anything, mostly of one shape."""
    first = draw(anything)
    if isinstance(first, Tensor) and draw(st.integers(0, 3)):
        return first, draw(tensors(st.just(tuple(first.shape))))
    return first, draw(anything)


@many
@given(pair=pairs())
def test_vrmse_and_relative_l2(pair: tuple[Any, Any]) -> None:
    valid = alike(*pair)
    for metric, axes in ((vrmse, 2), (relative_l2, 1)):
        found = outcome(lambda metric=metric: metric(*pair), valid=valid)  # type: ignore[misc]
        if valid:
            assert found.shape == pair[0].shape[:axes]
            assert found.dtype in {torch.float32, torch.float64}


@many
@given(
    pair=pairs(),
    state=st.one_of(st.none(), st.none(), anything),
    wavelet=wavelets,
    depth=levels,
    boundary=boundaries,
)
def test_wavelet_loss(
    pair: tuple[Any, Any], state: Any, wavelet: Any, depth: Any, boundary: Any
) -> None:
    options = {"wavelet": wavelet, "levels": depth, "boundary": boundary}
    fits = alike(*pair) if state is None else alike(*pair, state)
    valid = fits and suits(wavelet, depth, boundary, pair[0].ndim - 2)
    found = outcome(lambda: wavelet_loss(*pair, state=state, **options), valid=valid)
    if valid:
        assert found.shape == pair[0].shape[:2]


@many
@given(pair=pairs(), reduction=st.sampled_from(["mean", "sum", "none"]), base=st.booleans())
def test_the_criterion(pair: tuple[Any, Any], reduction: Any, *, base: bool) -> None:
    loss = WaveletLoss("vrmse" if base else None, reduction=reduction)
    valid = alike(*pair)
    found = outcome(lambda: loss(*pair), valid=valid)
    if valid:
        assert found.shape == (pair[0].shape[:2] if reduction == "none" else ())


frames = st.one_of(
    *[st.lists(st.integers(1, 4), min_size=n, max_size=n) for n in (4, 5, 6)] * 2,
    st.lists(st.integers(0, 4), max_size=7),
).map(tuple)


@many
@given(
    start=st.one_of(tensors(frames), tensors(frames), anything),
    other=st.one_of(st.none(), st.none(), anything),
    steps=st.sampled_from([1, 2, 5, 1, 2, 5, 0, -2, 1.5, None, True]),
    returned=st.one_of(st.none(), st.none(), st.none(), anything),
)
def test_rollout(start: Any, other: Any, steps: Any, returned: Any) -> None:
    def step(u: Tensor) -> Any:
        return u[:, : start.shape[2]] if returned is None else returned

    # a frame is a field
    valid = isinstance(start, Tensor) and start.ndim > 3 and 0 not in start.shape[1:]
    valid = valid and start.layout == torch.strided and is_field(start[:, 0])
    valid = valid and type(steps) is int and steps > 0
    for part in (other, returned):
        valid = valid and (part is None or goes_with(part, start))
    if valid and returned is not None:
        valid = returned.shape[1] > 0 and returned.shape[1] % start.shape[2] == 0
    found = outcome(lambda: rollout(step, start, other, steps=steps), valid=valid)
    if valid:
        assert found.shape == (start.shape[0], steps, *start.shape[2:])


def goes_with(part: Any, start: Tensor) -> bool:
    return (
        is_field(part)
        and (part.shape[0], *part.shape[2:]) == (start.shape[0], *start.shape[3:])
        and part.device == start.device
    )
