"""On a periodic domain a model without absolute positions does not know where the origin is.

Tokens and the pyramid's cells are tied to the grid, so the law holds for shifts by whole ones:
multiples of 2**levels and of 2**pyramid_scales points.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

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
        ((16,), {"levels": 2, "pyramid_scales": 2, "wavelet": "db2"}),
        ((8, 12), {"levels": 1, "depth": 2}),
        ((8, 16), {"levels": 1, "pyramid_scales": 2}),
        ((16, 8), {"levels": 2, "residual": "off"}),
        ((4, 8, 6), {"levels": 1}),
        ((4, 8, 4), {"levels": 1, "pyramid_scales": 2, "wavelet": "db2"}),
    ],
)
def test_shifting_the_input_by_whole_tokens_shifts_the_output(
    space: tuple[int, ...], knobs: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    model = build(ndim=len(space), boundary="periodic", absolute_position=False, **knobs)
    u, axes = field(space, rng), tuple(range(2, 2 + len(space)))
    out = model(u)
    for shift in shifts(len(space), 2 ** max(knobs["levels"], knobs.get("pyramid_scales", 1))):
        # rounding, about 1e-16 of values of order 10 through some dozen layers
        assert_close(model(u.roll(shift, axes)), out.roll(shift, axes), rtol=0.0, atol=1e-11)


def test_only_periodic_axes_are_free_to_shift(build: Build, rng: torch.Generator) -> None:
    model = build(boundary=("periodic", "open"), absolute_position=False)
    u = field((8, 8), rng)
    out = model(u)
    assert_close(model(u.roll(2, 2)), out.roll(2, 2), rtol=0.0, atol=1e-11)
    assert float((model(u.roll(2, 3)) - out.roll(2, 3)).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("boundary", ["periodic", ("periodic", "open"), ("open", "periodic")])
def test_absolute_positions_tell_the_places_of_a_periodic_axis_apart(
    boundary: str | tuple[str, str], build: Build
) -> None:
    u = torch.zeros(1, 2, 8, 8, dtype=torch.float64)
    model = build(boundary=boundary)
    for axis, name in enumerate(model.config.axes, start=2):
        if name == "periodic":
            out = model(u)
            for shift in (2, 4, 6):
                assert float((out.roll(shift, axis) - out).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("space", [(16,), (8, 16), (4, 4, 8)])
def test_a_new_model_treats_all_places_alike(space: tuple[int, ...], rng: torch.Generator) -> None:
    sizes: dict[str, Any] = {"in_channels": 2, "out_channels": 2, "width": 8, "depth": 1}
    config = WaveLiTConfig(ndim=len(space), boundary="periodic", **sizes)
    model, u = WaveLiT(config).double(), field(space, rng)
    torch.nn.init.normal_(model.head.linear.weight)
    out, axes = model.eval()(u), tuple(range(2, 2 + len(space)))
    for shift in shifts(len(space), 2):
        assert_close(model(u.roll(shift, axes)), out.roll(shift, axes), rtol=0.0, atol=1e-11)


def test_a_forcing_that_the_input_does_not_show_is_learned_with_absolute_positions_only() -> None:
    place = torch.arange(32) * (2 * torch.pi / 32)
    forcing = torch.sin(2 * place).expand(8, 1, 32)
    left = {}
    for known in (True, False):
        torch.manual_seed(0)
        config = WaveLiTConfig(
            in_channels=1,
            out_channels=1,
            ndim=1,
            width=16,
            depth=1,
            levels=2,
            boundary="periodic",
            absolute_position=known,
        )
        model = WaveLiT(config)
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for _ in range(60):
            u = torch.randn(8, 1, 32)
            error = (model(u, target=u + forcing) - u - forcing).square().mean()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
        left[known] = float(error.detach())
    # the forcing has a mean square of 0.5, which a model without places cannot go under
    assert left[True] < 0.1
    assert left[False] > 0.4
