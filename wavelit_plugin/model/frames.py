"""What the channels of the input mean: last frame, changes before it, constants."""

from __future__ import annotations

import torch

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.shapes import Field, full_precision


def differences_and_constants(u: Field, config: WaveLiTConfig) -> Field:
    """Return (batch, channel, *space): last frame, successive differences, constants.

    As many channels as came in. Differences are taken in float32: in half precision the change of
    a slow field is mostly rounding.
    """
    layout = config.channels
    history = layout.frames * layout.fields
    if layout.frames == 1 or not layout.fields:
        return u
    frames = full_precision(u[:, :history]).unflatten(1, (layout.frames, layout.fields))
    changes = frames.diff(dim=1).flip(1).flatten(1, 2)
    return torch.cat([frames[:, -1], changes, full_precision(u[:, history:])], dim=1)


def last_state(u: Field, config: WaveLiTConfig) -> Field:
    """Return (batch, out, *space): the frame that each output continues, zeros where none."""
    layout = config.channels
    if not layout.fields:
        return u.new_zeros(u.shape[0], config.out_channels, *u.shape[2:])
    last = u[:, (layout.frames - 1) * layout.fields : layout.frames * layout.fields]
    return last.repeat(1, layout.frames_out, *(1,) * config.ndim)


def step_in_history(u: Field, config: WaveLiTConfig) -> tuple[Field, Field] | None:
    """Return the last frame but one and the last, if the input holds two frames.

    The best guess of how the last frame will change, both (batch, out, *space).
    """
    layout = config.channels
    if layout.frames == 1 or not layout.fields:
        return None
    frames = u[:, : layout.frames * layout.fields].unflatten(1, (layout.frames, layout.fields))
    repeats = (1, layout.frames_out, *(1,) * config.ndim)
    return frames[:, -2].repeat(repeats), frames[:, -1].repeat(repeats)
