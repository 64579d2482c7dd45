"""The legend of axis letters, the tensor aliases and the shape checks of the whole house.

Letters: ``b`` batch, ``t`` frame, ``f`` field, ``c`` channel, ``h w`` space, ``n`` token,
``s`` scale. The core works on ``(batch, channel, *space)`` with one, two or three space axes.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.amp import is_autocast_available

from wavelit_plugin.errors import ConfigError, ShapeError, unknown_name

Field = Float[Tensor, "batch _channel *_space"]
"""A batch of fields on a regular grid, channels first; one function may see several sizes."""

Tokens = Float[Tensor, "batch *_grid _width"]
"""A batch of tokens on a regular grid, channels last."""

Boundary = Literal["periodic", "wall", "open"]
"""What an axis does at its two ends. Only periodic axes wrap around."""

BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)


_FLOATING = {torch.float16, torch.bfloat16, torch.float32, torch.float64}


def per_axis(boundary: str | Sequence[str], ndim: int) -> tuple[Boundary, ...]:
    """Return one boundary condition per space axis.

    Args:
        boundary: one name for all axes, or one name for each.
        ndim: number of space axes.

    Raises:
        ConfigError: an unknown name, or a number of names other than ``ndim``.

    >>> per_axis("open", 2)
    ('open', 'open')
    """
    if not isinstance(boundary, str | Sequence):
        raise ConfigError(f"boundary must be one name or one for each axis, got {boundary!r}")
    names = (boundary,) * ndim if isinstance(boundary, str) else tuple(boundary)
    if len(names) != ndim:
        raise ConfigError(
            f"boundary must be one name or one for each of {ndim} axes, got {len(names)}: {names}"
        )
    known: dict[str, Boundary] = {name: name for name in BOUNDARIES}
    for name in names:
        if name not in known:
            raise unknown_name("boundary", str(name), BOUNDARIES)
    return tuple(known[name] for name in names)


def full_precision(u: Tensor) -> Tensor:
    """Return half-precision tensors as float32 and others as they are."""
    return u.float() if u.dtype in {torch.float16, torch.bfloat16} else u


def without_autocast(u: Tensor) -> AbstractContextManager[None]:
    """Return a context in which what is done to ``u`` keeps its precision."""
    kind = u.device.type
    # some devices, such as meta, have no autocast to switch off
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()


def check_int(name: str, value: object, least: int) -> None:
    """Raise ConfigError unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")


def check_tensor(u: Tensor, *, name: str = "input") -> None:
    """Raise ShapeError unless ``u`` is a dense tensor of floating numbers of 16 to 64 bits."""
    if not isinstance(u, Tensor):
        kind = "a numpy array" if type(u).__module__ == "numpy" else type(u).__name__
        convertible = hasattr(u, "__array__") or isinstance(u, list | tuple)
        todo = f"convert it by torch.as_tensor({name}, dtype=torch.float32)"
        raise ShapeError(
            f"{name} must be a torch tensor, got {kind}; {todo if convertible else 'pass one'}"
        )
    if u.dtype not in _FLOATING:
        todo = "pass real and imaginary part as two channels" if u.is_complex() else "call .float()"
        raise ShapeError(f"{name} must have a floating dtype of 16-64 bits, got {u.dtype}; {todo}")
    if u.layout != torch.strided or u.is_nested:
        raise ShapeError(
            f"{name} must be a dense tensor, got {'a nested one' if u.is_nested else u.layout}; "
            "make it dense, for instance by .to_dense()"
        )


def check_field(
    u: Tensor, *, ndim: int | None = None, channels: int | None = None, name: str = "input"
) -> None:
    """Raise ShapeError unless ``u`` is a field: (batch, channel, *space), with points to see.

    Args:
        u: what is to be checked; an empty batch and no channel at all pass.
        ndim: number of space axes, by default any of 1 to 3.
        channels: number of channels, by default any.
        name: what ``u`` is called in the error.
    """
    check_tensor(u, name=name)
    if ndim is None and not 3 <= u.ndim <= 5:
        raise ShapeError(
            f"{name} must be (batch, channel, *space) with 1-3 space axes, got shape "
            f"{tuple(u.shape)}; add or remove an axis"
        )
    if ndim is not None and u.ndim != ndim + 2:
        raise ShapeError(
            f"{name} must be (batch, channel, *space) with {ndim} space axes, that is "
            f"{ndim + 2} axes in all, got shape {tuple(u.shape)}; add or remove an axis, or build "
            f"the model with ndim={min(max(u.ndim - 2, 1), 3)}"
        )
    if channels is not None and u.shape[1] != channels:
        raise ShapeError(
            f"{name} must have {channels} channels on axis 1, got {u.shape[1]} in shape "
            f"{tuple(u.shape)}; build the model for {u.shape[1]} channels or select channels"
        )
    if any(size == 0 for size in u.shape[2:]):
        raise ShapeError(
            f"every space axis of {name} needs at least one point, got shape {tuple(u.shape)}; "
            "check the data"
        )


def check_same_shape(**tensors: Tensor) -> None:
    """Raise ShapeError unless all, given by name, are tensors of one shape on one device.

    Nothing is broadcast. Dtypes may differ, but must be floating.
    """
    for name, tensor in tensors.items():
        check_tensor(tensor, name=name)
    first, *others = tensors.values()
    if any(other.shape != first.shape for other in others):
        listed = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ShapeError(f"expected equal shapes, got {listed}; nothing is broadcast here")
    if any(other.device != first.device for other in others):
        listed = ", ".join(f"{name} on {tensor.device}" for name, tensor in tensors.items())
        raise ShapeError(f"expected tensors on one device, got {listed}; move one with .to(device)")
