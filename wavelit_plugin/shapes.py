"""The legend of axis letters, the tensor aliases and the shape checks of the whole house.

Letters: ``b`` batch, ``t`` frame, ``f`` field, ``c`` channel, ``h w`` space, ``n`` token,
``s`` scale. The core works on ``(batch, channel, *space)`` with one, two or three space axes.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.errors import ConfigError, ShapeError, unknown_name

Field = Float[Tensor, "batch _channel *_space"]
"""A batch of fields on a regular grid, channels first; one function may see several sizes."""

Tokens = Float[Tensor, "batch *_grid _width"]
"""A batch of tokens on a regular grid, channels last."""

Boundary = Literal["periodic", "wall", "open"]
"""What an axis does at its two ends. Only periodic axes wrap around."""

BOUNDARIES: tuple[Boundary, ...] = get_args(Boundary)


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


def check_field(u: Tensor, *, ndim: int, channels: int | None = None, name: str = "input") -> None:
    """Raise ShapeError unless ``u`` is (batch, channels, *space) with ``ndim`` space axes."""
    if u.ndim != ndim + 2:
        raise ShapeError(
            f"{name} must be (batch, channel, *space) with {ndim} space axes, that is "
            f"{ndim + 2} axes in all, got shape {tuple(u.shape)}; add or remove an axis, or build "
            f"the model with ndim={max(u.ndim - 2, 1)}"
        )
    if channels is not None and u.shape[1] != channels:
        raise ShapeError(
            f"{name} must have {channels} channels on axis 1, got {u.shape[1]} in shape "
            f"{tuple(u.shape)}; build the model for {u.shape[1]} channels or select channels"
        )


def check_same_shape(**tensors: Tensor) -> None:
    """Raise ShapeError unless all tensors, given by name, have one shape (nothing broadcasts)."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"expected equal shapes, got {listed}; nothing is broadcast here")
