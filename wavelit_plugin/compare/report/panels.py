"""Planes cut from samples: what of a trajectory or of static data is shown side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wavelit_plugin.compare.figure import TIMES

_SAMPLES = 3  # of static data


@dataclass(frozen=True, kw_only=True)
class Panels:
    """Planes of one field.

    Attributes:
        planes: each (right, up).
        titles: what each is, such as "step 5".
        stretch: whether a plane has no shape of its own (a space and a time axis).
    """

    planes: tuple[Tensor, ...]
    titles: tuple[str, ...]
    stretch: bool = False


def cut(sample: Mapping[str, Any], name: str, channel: int) -> Panels:
    """Return planes of ``sample[name]``.

    Two space axes are shown at a few times, three as the middle plane of the last axis, one as
    space by time; static data as a few samples.

    Args:
        sample: see ``wavelit_plugin.compare.runs.samples_path``.
        name: truth, prediction or, of static data, input.
        channel: which field.
    """
    values: Tensor = sample[name]
    if "input" in sample:
        planes = [_plane(u) for u in values[:_SAMPLES, channel]]
        titles = [f"sample {i + 1}" for i in range(len(planes))]
        return Panels(planes=tuple(planes), titles=tuple(titles), stretch=values.ndim == 3)
    if values.ndim == 4:  # (trajectory, frame, field, x): time points up
        planes = [u.T for u in values[:, :, channel]]
        titles = [f"trajectory {i + 1}" for i in range(len(planes))]
        return Panels(planes=tuple(planes), titles=tuple(titles), stretch=True)
    times = [time for time in TIMES if time < values.shape[1]]
    planes = [_plane(values[0, time, channel]) for time in times]
    return Panels(planes=tuple(planes), titles=tuple(f"step {time}" for time in times))


def _plane(u: Tensor) -> Tensor:
    """One space axis becomes a band, three their middle plane."""
    if u.ndim == 1:
        return u[:, None]
    return u[..., u.shape[-1] // 2] if u.ndim == 3 else u
