"""The coefficients of a Mallat decomposition, and what they were made with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import SymInt, Tensor
from torch.utils import _pytree as pytree

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.shapes import Boundary, check_tensor, per_axis
from wavelit_plugin.wavelets.filters import check_wavelet
from wavelit_plugin.wavelets.padding import padded_size


@dataclass(frozen=True, eq=False)
class WaveletCoefficients:
    """Coefficients of an n-dimensional wavelet transform, critically sampled and orthonormal.

    A pytree, whose leaves are the tensors: ``torch.func``, ``torch.compile`` and ``torch.export``
    take it as an argument and as a result. ``dataclasses.replace`` returns a changed copy.

    Attributes:
        approximation: (batch, channel, *coarse), the low band of the last level.
        details: one tensor a level, finest first, each (batch, channel, orientation, *level).
            The 2**ndim - 1 orientations count in binary, the first space axis being the most
            significant digit and 1 standing for the high half: in 2-D low-high, high-low,
            high-high, which PyWavelets calls ``ad``, ``da``, ``dd``.
        shape: the space sizes of the field before it was padded; ``idwt`` crops to them.
        wavelet: the name of the filters.
        boundary: the boundary condition of each axis.
    """

    approximation: Tensor
    details: tuple[Tensor, ...]
    shape: tuple[int, ...]
    wavelet: str
    boundary: tuple[Boundary, ...]

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.details)


def check_coefficients(coefficients: WaveletCoefficients) -> None:
    """Raise ShapeError or ConfigError unless coefficients are some that ``dwt`` could return."""
    if not isinstance(coefficients, WaveletCoefficients):
        raise ShapeError(
            f"expected WaveletCoefficients, got {type(coefficients).__name__}; pass what dwt "
            "returned, or make them by from_pytorch_wavelets"
        )
    shape, approximation = _shape(coefficients.shape), coefficients.approximation
    if not isinstance(coefficients.details, tuple | list):
        raise ShapeError(
            f"details must be a tuple of tensors, got {type(coefficients.details).__name__}; pass "
            "what dwt returned"
        )
    check_tensor(approximation, name="approximation")
    if approximation.ndim != len(shape) + 2:
        raise ShapeError(
            f"the approximation of a field of sizes {shape} must have {len(shape) + 2} axes, got "
            f"shape {tuple(approximation.shape)}; pass what dwt returned"
        )
    check_wavelet(coefficients.wavelet, per_axis(coefficients.boundary, len(shape)))
    sizes = tuple(approximation.shape[2:])
    for detail in reversed(coefficients.details):
        _check_detail(detail, approximation, sizes)
        sizes = tuple(2 * size for size in sizes)
    padded = tuple(padded_size(size, coefficients.levels) for size in shape)
    if padded != sizes:
        raise ShapeError(
            f"{coefficients.levels} levels of these bands make a field of sizes {sizes}, which is "
            f"not what a field of sizes {shape} is padded to, {padded}; pass what dwt returned"
        )


def _shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    # sizes are symbols where torch.export looks on, and tensors where TorchScript does
    whole = isinstance(shape, Sequence) and all(isinstance(n, int | SymInt | Tensor) for n in shape)
    if not whole or not 1 <= len(shape) <= 3 or any(size < 1 for size in shape):
        raise ShapeError(
            f"coefficients need the sizes of 1-3 space axes, each at least 1, got shape={shape!r}; "
            "pass what dwt returned"
        )
    return tuple(shape)


def _check_detail(detail: Tensor, approximation: Tensor, sizes: tuple[int, ...]) -> None:
    check_tensor(detail, name="detail bands")
    expected = (*approximation.shape[:2], 2 ** len(sizes) - 1, *sizes)
    if tuple(detail.shape) != expected:
        raise ShapeError(
            f"the detail bands that go with an approximation of sizes {sizes} must have shape "
            f"{expected}, got {tuple(detail.shape)}; pass what dwt returned, finest level first"
        )
    if (detail.dtype, detail.device) != (approximation.dtype, approximation.device):
        raise ShapeError(
            f"all bands must have one dtype and device, got {detail.dtype} on {detail.device} "
            f"beside {approximation.dtype} on {approximation.device}; move them by .to(...)"
        )


Context = tuple[tuple[int, ...], str, tuple[Boundary, ...]]
"""What of the coefficients is no tensor: shape, wavelet, boundary."""


def _flatten(coefficients: WaveletCoefficients) -> tuple[list[Any], Context]:
    c = coefficients
    return [c.approximation, c.details], (c.shape, c.wavelet, c.boundary)


def _flatten_with_keys(coefficients: WaveletCoefficients) -> tuple[list[Any], Context]:
    children, context = _flatten(coefficients)
    names = pytree.GetAttrKey("approximation"), pytree.GetAttrKey("details")
    return list(zip(names, children, strict=True)), context


def _unflatten(children: Iterable[Any], context: Context) -> WaveletCoefficients:
    (approximation, details), (shape, wavelet, boundary) = children, context
    return WaveletCoefficients(approximation, details, shape, wavelet, boundary)


def _from_plain(plain: tuple[list[int], str, list[Boundary]]) -> Context:
    shape, wavelet, boundary = plain
    return tuple(shape), wavelet, tuple(boundary)


pytree.register_pytree_node(
    WaveletCoefficients,
    _flatten,
    _unflatten,
    serialized_type_name="wavelit_plugin.WaveletCoefficients",
    to_dumpable_context=list,
    from_dumpable_context=_from_plain,
    flatten_with_keys_fn=_flatten_with_keys,
)
