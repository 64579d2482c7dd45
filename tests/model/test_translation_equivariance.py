"""On a periodic domain the model does not know where the origin is.

Tokens are tied to the grid, so the law holds for shifts by whole tokens of the coarsest scale:
multiples of 2**(levels + scales - 1) points.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT

Build = Callable[..., WaveLiT]


def field(space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, 2, *space, dtype=torch.float64, generator=rng)


def shifts(ndim: int, step: int) -> list[tuple[int, ...]]:
    """A shift of each axis alone, and of all by different amounts."""
    single = [tuple(step if axis == moved else 0 for axis in range(ndim)) for moved in range(ndim)]
    return [*single, tuple(step * (1 + axis) for axis in range(ndim))]


@pytest.mark.parametrize(
    ("space", "knobs"),
    [
        ((16,), {"levels": 1}),
        ((16,), {"levels": 2, "scales": 2, "wavelet": "db2"}),
        ((8, 12), {"levels": 1, "depth": 2}),
        ((8, 16), {"levels": 1, "scales": 2}),
        ((16, 8), {"levels": 2, "residual": "off"}),
        ((4, 8, 6), {"levels": 1}),
        ((4, 8, 4), {"levels": 1, "scales": 2, "wavelet": "db2"}),
    ],
)
def test_shifting_the_input_by_whole_tokens_shifts_the_output(
    space: tuple[int, ...], knobs: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    model = build(ndim=len(space), boundary="periodic", **knobs)
    u, axes = field(space, rng), tuple(range(2, 2 + len(space)))
    out = model(u)
    for shift in shifts(len(space), 2 ** (knobs["levels"] + knobs.get("scales", 1) - 1)):
        # rounding, about 1e-16 of values of order 10 through some dozen layers
        assert_close(model(u.roll(shift, axes)), out.roll(shift, axes), rtol=0.0, atol=1e-11)


def test_only_periodic_axes_are_free_to_shift(build: Build, rng: torch.Generator) -> None:
    model, u = build(boundary=("periodic", "open")), field((8, 8), rng)
    out = model(u)
    assert_close(model(u.roll(2, 2)), out.roll(2, 2), rtol=0.0, atol=1e-11)
    assert float((model(u.roll(2, 3)) - out.roll(2, 3)).detach().abs().max()) > 1e-3
