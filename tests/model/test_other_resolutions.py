"""A model trained on one grid runs on others: averaged to its own spacing, and refined back."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.resolution import coarsen, levels_apart, refine
from wavelit_plugin.shapes import Boundary

Build = Callable[..., WaveLiT]
Tiny = Callable[..., WaveLiTConfig]
OPEN: tuple[Boundary, ...] = ("open", "wall", "open")


def centres(size: int) -> Tensor:
    return (torch.arange(size, dtype=torch.float64) + 0.5) / size


def sampled(function: Callable[[Tensor], Tensor], space: tuple[int, ...]) -> Tensor:
    """The sum over the axes of a function of the position times 1, 2, ... in a unit domain."""
    axes = torch.meshgrid(*(centres(size) for size in space), indexing="ij")
    return torch.stack([(1 + i) * function(x) for i, x in enumerate(axes)]).sum(0)[None, None]


def wave(x: Tensor) -> Tensor:
    return torch.sin(2 * math.pi * x + 0.3)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("space", [(2,), (7,), (4, 5), (3, 2, 6)])
def test_refining_is_exact_for_straight_lines_up_to_the_ends(
    space: tuple[int, ...], levels: int
) -> None:
    fine = tuple(size * 2**levels for size in space)
    actual = refine(sampled(lambda x: 3 * x - 1, space), levels, OPEN[: len(space)])
    assert_close(actual, sampled(lambda x: 3 * x - 1, fine))


def test_refining_is_exact_for_parabolas_inside() -> None:
    actual = refine(sampled(torch.square, (9,)), 1, ("open",))
    # two cells at each end take the line through the end instead
    assert_close(actual[..., 4:-4], sampled(torch.square, (18,))[..., 4:-4])


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_the_error_of_refining_falls_with_the_third_power(boundary: Boundary) -> None:
    errors = []
    for size in (16, 32, 64):
        difference = refine(sampled(wave, (size,)), 1, (boundary,)) - sampled(wave, (2 * size,))
        inside = difference if boundary == "periodic" else difference[..., 4:-4]
        errors.append(float(inside.abs().max()))
    for before, after in itertools.pairwise(errors):
        assert math.log2(before / after) > 2.9


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_coarsening_undoes_refining_of_smooth_fields(ndim: int) -> None:
    """The halves' mean is the value times cos(k h / 4), 1.2e-3 off at k h = 2 pi / 32."""
    u = sampled(wave, (32,) * ndim)
    name: Boundary = "periodic"
    boundary = (name,) * ndim
    amplitude = ndim * (ndim + 1) / 2
    assert_close(coarsen(refine(u, 1, boundary), 1, boundary), u, rtol=0.0, atol=1.5e-3 * amplitude)


@pytest.mark.parametrize("space", [(8,), (4, 8), (4, 8, 12)])
def test_coarsening_averages_cells(space: tuple[int, ...], rng: torch.Generator) -> None:
    u = torch.randn(2, 3, *space, dtype=torch.float64, generator=rng)
    cells = u
    for axis in range(len(space)):
        cells = cells.unflatten(2 + axis, (-1, 4)).mean(3 + axis)
    assert_close(coarsen(u, 2, OPEN[: len(space)]), cells)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_no_level_changes_nothing(boundary: Boundary, rng: torch.Generator) -> None:
    u = torch.randn(2, 3, 5, generator=rng)
    assert coarsen(u, 0, (boundary,)) is u
    assert refine(u, 0, (boundary,)) is u


@pytest.mark.parametrize(
    ("space", "trained", "levels"),
    [
        ((16, 16), (16, 16), 0),
        ((32, 32), (16, 16), 1),
        ((64, 64), (16, 16), 2),
        ((8, 8), (16, 16), -1),
        ((24, 24), (16, 16), 1),  # 1.5 is nearer to 2 than to 1 on the scale of ratios
        ((22, 22), (16, 16), 0),
        ((17, 15), (16, 16), 0),
        ((64, 16), (16, 16), 1),  # the axes' mean
        ((30,), (10,), 2),
    ],
)
def test_the_number_of_halvings_comes_nearest_to_the_trained_spacing(
    space: tuple[int, ...], trained: tuple[int, ...], levels: int
) -> None:
    assert levels_apart(space, trained) == levels


def trained_at(size: int, model: WaveLiT) -> WaveLiT:
    """Let the model see one training batch; its statistics are frozen already."""
    config = model.config
    u = torch.randn(1, config.in_channels, *(size,) * config.ndim, dtype=torch.float64)
    model.train()(u).sum().backward()
    return model.eval()


CASES: list[dict[str, Any]] = [
    {"ndim": 1, "boundary": "periodic"},
    {"ndim": 2, "boundary": ("open", "periodic"), "pyramid_scales": 2},
    {"ndim": 3, "boundary": "wall"},
]


@pytest.mark.parametrize("case", CASES)
def test_twice_the_resolution_is_the_own_one_on_averaged_input_refined(
    case: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    model = trained_at(6, build(residual="off", **case))
    u = torch.randn(2, 2, *(12,) * case["ndim"], dtype=torch.float64, generator=rng)
    axes = model.config.axes
    assert_close(model(u), refine(model(coarsen(u, 1, axes)), 1, axes))


@pytest.mark.parametrize("case", CASES)
def test_half_the_resolution_is_the_own_one_on_refined_input_averaged(
    case: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    model = trained_at(8, build(residual="off", **case))
    u = torch.randn(2, 2, *(4,) * case["ndim"], dtype=torch.float64, generator=rng)
    axes = model.config.axes
    assert_close(model(u), coarsen(model(refine(u, 1, axes)), 1, axes))


def test_what_persists_keeps_the_details_of_the_fine_grid(
    build: Build, rng: torch.Generator
) -> None:
    """Without a prediction, mean' + a (u - mean) at every resolution."""
    model = build()
    for silent in (model.head.linear, model.pyramid.last):
        silent.weight.data.zero_()
        silent.bias.data.zero_()
    trained_at(4, model)
    known = model.normalizer
    assert model.persistence is not None
    a = known.persistence + model.persistence
    for size in (4, 8, 2):
        u = torch.randn(2, 2, size, size, dtype=torch.float64, generator=rng)
        expected = known.output_mean + a * (u[:, :1] - known.state_mean)
        assert_close(model(u), expected)


def test_native_resolution_runs_on_the_grid_as_it_is(build: Build, rng: torch.Generator) -> None:
    aligned, native = build(), build(resolution="native")
    native.load_state_dict(aligned.state_dict())
    u = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=rng)
    plain = aligned(u)  # never trained, so no spacing is known
    trained_at(4, aligned)
    trained_at(4, native)
    assert_close(native(u), plain, rtol=0.0, atol=0.0)
    assert float((aligned(u) - plain).detach().abs().max()) > 1e-3
    same = torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=rng)
    assert_close(aligned(same), native(same), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("scales", [1, 2])
def test_the_output_has_the_shape_of_any_input(scales: int, ndim: int, build: Build) -> None:
    model = trained_at(8, build(ndim=ndim, levels=2, pyramid_scales=scales))
    for size in (16, 4, 12, 7, 9, 17, 5, 2, 1):
        space = (size, 8, 2 * size + 1)[:ndim]
        out = model(torch.ones(1, 2, *space, dtype=torch.float64))
        assert tuple(out.shape) == (1, 1, *space)
        assert bool(out.isfinite().all())


def test_the_first_training_step_sets_the_training_grid_and_another_grid_is_said_once(
    tiny: Tiny, step: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = WaveLiT(tiny())
    first, other = (torch.randn(1, 2, *space, generator=rng) for space in ((8, 6), (16, 12)))
    step(model, first, target=first[:, :1])
    assert model.normalizer.training_grid.tolist() == [8, 6]
    with pytest.warns(UserWarning, match=r"a training batch has \(16, 12\) points an axis"):
        step(model, other, target=other[:, :1])
    step(model, other, target=other[:, :1])  # a second warning would be an error
    assert model.normalizer.training_grid.tolist() == [8, 6]


def test_training_runs_on_the_grid_that_comes(build: Build, rng: torch.Generator) -> None:
    model = trained_at(4, build())
    native = build(resolution="native")
    native.load_state_dict(model.state_dict())
    u = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=rng)
    out = model.train()(u)
    assert_close(out, native.eval()(u), rtol=0.0, atol=0.0)
