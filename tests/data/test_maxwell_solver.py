"""The Maxwell solver against plane waves, what Yee's scheme conserves, and an interface."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data.maxwell import (
    AMPLITUDE,
    FAMILIES,
    MAXWELL,
    MaxwellSolver,
    curl,
    divergence,
    draw_potential,
    simulate_maxwell,
    steps_for,
)
from wavelit_plugin.data.media import Grid
from wavelit_plugin.errors import ConfigError, DataError, ShapeError
from wavelit_plugin.plugins.datasets import Setup, Trajectories

PERMITTIVITY = 2.25
TIME = 0.5


def plane_wave(cells: int, time: float, shift: tuple[float, ...]) -> Tensor:
    """Return D and H (6, x, y, z) of a wave along (1, 1, 0), at points shifted by cells."""
    axes = [(torch.arange(cells, dtype=torch.float64) + s) / cells for s in shift]
    x, y, _ = torch.meshgrid(*axes, indexing="ij")
    omega = 2 * math.pi * math.sqrt(2) / math.sqrt(PERMITTIVITY)
    wave = torch.cos(2 * math.pi * (x + y) - omega * time)
    # E along z, H = n x E / Z with n = (1, 1, 0) / sqrt(2) and 1 / Z = sqrt(eps)
    electric, magnetic = wave, math.sqrt(PERMITTIVITY / 2) * wave
    none = torch.zeros_like(wave)
    return torch.stack([none, none, PERMITTIVITY * electric, magnetic, -magnetic, none])


def staggered_plane_wave(cells: int) -> tuple[Tensor, Tensor]:
    """Return D on edges and H on faces at time 0."""
    edges = [tuple(0.5 if other == axis else 0.0 for other in range(3)) for axis in range(3)]
    faces = [tuple(0.0 if other == axis else 0.5 for other in range(3)) for axis in range(3)]
    parts = [plane_wave(cells, 0.0, at)[i] for i, at in enumerate(edges + faces)]
    return torch.stack(parts[:3])[None], torch.stack(parts[3:])[None]


def largest_error(cells: int) -> float:
    permittivity = torch.full((1, cells, cells, cells), PERMITTIVITY, dtype=torch.float64)
    steps = steps_for(TIME, spacing=1 / cells)
    solver = MaxwellSolver(
        permittivity, *staggered_plane_wave(cells), spacing=1 / cells, time_step=TIME / steps
    )
    solver.advance(steps)
    exact = plane_wave(cells, TIME, (0.5, 0.5, 0.5))
    return float((solver.fields()[0] - exact).abs().max())


def rough_solver(cells: int = 12) -> MaxwellSolver:
    """Two trajectories of noise in noise; D and H are curls, so without divergence."""
    generator = torch.Generator().manual_seed(0)

    def noise(*parts: int) -> Tensor:
        shape = (2, *parts, cells, cells + 1, cells + 2)
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    spacing = 1 / cells
    return MaxwellSolver(
        1.0 + 3.0 * noise(),
        curl(spacing * noise(3), spacing=spacing, forward=False),
        curl(spacing * noise(3), spacing=spacing, forward=True),
        spacing=spacing,
        time_step=0.95 * spacing / math.sqrt(3),
    )


def simulate(seeds: list[int], **changes: object) -> Trajectories:
    arguments: dict[str, object] = {
        "size": 16, "frames": 3, "interval": 0.05, "boundary": "periodic", "medium": "inclusions",
        "oversample": 1, "dtype": "float64",
    }  # fmt: skip
    return simulate_maxwell(Setup(**{**arguments, **changes}), seeds)  # type: ignore[arg-type]


def test_a_plane_wave_converges_at_order_two() -> None:
    errors = [largest_error(cells) for cells in (10, 20, 40)]
    assert 3.6 < errors[0] / errors[1] < 4.4, errors
    assert 3.8 < errors[1] / errors[2] < 4.2, errors
    # amplitude 2.25; 28 cells a wave, a third of a period
    assert errors[2] < 0.03


def test_a_plane_wave_follows_the_dispersion_relation_of_the_scheme() -> None:
    """(sin(w dt / 2) / dt)^2 eps = sum of (sin(k h / 2) / h)^2, Taflove's equation."""
    cells, steps = 12, 60
    spacing, time_step = 1 / cells, 1 / cells / 2
    half = math.sqrt(2 * math.sin(math.pi * spacing) ** 2 / PERMITTIVITY) * time_step / spacing
    omega = 2 / time_step * math.asin(half)
    permittivity = torch.full((1, cells, cells, cells), PERMITTIVITY, dtype=torch.float64)
    displacement, _ = staggered_plane_wave(cells)
    # at rest at first: a standing wave, D = cos(omega t) D_0 exactly
    solver = MaxwellSolver(
        permittivity, displacement, torch.zeros_like(displacement), spacing=spacing,
        time_step=time_step,
    )  # fmt: skip
    solver.advance(steps)
    expected = math.cos(omega * steps * time_step) * displacement
    # an exact solution of the scheme: rounding of 60 steps
    assert_close(solver.staggered()[0], expected, rtol=0.0, atol=1e-12)


def test_energy_is_constant_to_rounding_in_any_medium() -> None:
    solver = rough_solver()
    before = solver.energy()
    solver.advance(1000)
    # the two curls are adjoint, so the leapfrog's energy is an exact invariant
    assert_close(solver.energy(), before, rtol=1e-12, atol=0.0)


def test_divergence_stays_zero_to_rounding() -> None:
    solver = rough_solver()
    solver.advance(500)
    displacement, magnetic = solver.staggered()
    # fields of 1 over a spacing of 1 / 12, 500 steps of rounding 1e-16
    for field, forward in ((displacement, False), (magnetic, True)):
        assert float(divergence(field, spacing=1 / 12, forward=forward).abs().max()) < 1e-11
        # while the same fields have derivatives of order 10
        assert float(curl(field, spacing=1 / 12, forward=not forward).abs().max()) > 0.1


def test_charges_stay_where_they_are() -> None:
    generator = torch.Generator().manual_seed(1)
    field = torch.rand(1, 3, 8, 8, 8, generator=generator, dtype=torch.float64)
    ones = torch.ones(1, 8, 8, 8, dtype=torch.float64)
    solver = MaxwellSolver(ones, field, torch.zeros_like(field), spacing=1 / 8, time_step=0.05)
    before = divergence(field, spacing=1 / 8, forward=False)
    solver.advance(200)
    after = divergence(solver.staggered()[0], spacing=1 / 8, forward=False)
    assert float(before.abs().max()) > 1.0
    assert_close(after, before, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_start_gives_mirrored_fields(axis: int) -> None:
    """Every field and every permittivity sits where it is said to sit in its cell."""
    generator = torch.Generator().manual_seed(axis)
    permittivity = 1 + torch.rand(1, 8, 8, 8, generator=generator, dtype=torch.float64)
    start = torch.randn(2, 1, 3, 8, 8, 8, generator=generator, dtype=torch.float64)

    def after(cells: Tensor, displacement: Tensor, magnetic: Tensor) -> Tensor:
        solver = MaxwellSolver(cells, displacement, magnetic, spacing=1 / 8, time_step=0.05)
        solver.advance(10)
        return solver.fields()

    def mirrored(vector: Tensor, *, on_points: bool) -> Tensor:
        """Flip along the axis: values at the ends of cells move on by one cell."""
        flipped = vector.flip(axis - 3)
        return flipped.roll(1, axis - 3) if on_points else flipped

    def flip(vectors: Tensor, sign: float, *, staggered: str = "") -> Tensor:
        parts = []
        for component in range(3):
            # D is a vector, so its normal part changes sign; H is a pseudo-vector
            own = sign if component == axis else -sign
            on_points = (component == axis) == (staggered == "faces") and bool(staggered)
            parts.append(own * mirrored(vectors[:, component], on_points=on_points))
        return torch.stack(parts, dim=1)

    plain = after(permittivity, start[0], start[1])
    other = after(
        mirrored(permittivity, on_points=False),
        flip(start[0], -1.0, staggered="edges"),
        flip(start[1], 1.0, staggered="faces"),
    )
    expected = torch.cat([flip(plain[:, :3], -1.0), flip(plain[:, 3:], 1.0)], dim=1)
    # the same sums in another order
    assert_close(other, expected, rtol=0.0, atol=1e-12)


def test_an_interface_reflects_as_fresnel_says() -> None:
    """r = (1 - n) / (1 + n) for a pulse that meets index n head on."""
    cells, index, width = 512, 2.0, 0.02
    x = (torch.arange(cells, dtype=torch.float64) / cells)[:, None, None].expand(-1, 2, 2)
    permittivity = torch.where((x > 0.5) & (x < 0.95), index**2, 1.0)[None]
    zero = torch.zeros_like(x)

    def pulse(at: Tensor) -> Tensor:
        return torch.exp(-((at - 0.35) ** 2) / (2 * width**2))

    # E along y and H along z: runs to growing x; H sits half a cell further
    displacement = torch.stack([zero, pulse(x), zero])[None]
    magnetic = torch.stack([zero, zero, pulse(x + 0.5 / cells)])[None]
    steps = steps_for(0.3, spacing=1 / cells)
    solver = MaxwellSolver(
        permittivity, displacement, magnetic, spacing=1 / cells, time_step=0.3 / steps
    )
    solver.advance(steps)
    electric = solver.fields()[0, 1, :, 0, 0] / permittivity[0, :, 0, 0]
    reflected, passed = electric[: cells // 2], electric[cells // 2 :]
    # 10 cells a width: dispersion and the interface's place within a cell cost below one percent
    assert float(reflected.min()) == pytest.approx((1 - index) / (1 + index), abs=0.01)
    assert float(passed.max()) == pytest.approx(2 / (1 + index), abs=0.01)


def test_finer_simulations_converge_to_the_stored_frames() -> None:
    frames = [
        simulate([1], medium="vacuum", oversample=factor, frames=2).fields for factor in (1, 2, 4)
    ]
    coarse, fine = (float((frames[i] - frames[i + 1]).norm()) for i in (0, 1))
    # order two
    assert 3.3 < coarse / fine < 5.0


def test_a_trajectory_does_not_depend_on_its_batch_mates() -> None:
    together, alone = simulate([1, 2, 3]), simulate([2])
    assert_close(alone.fields, together.fields[1:2], rtol=0.0, atol=1e-14)
    assert_close(alone.constants, together.constants[1:2], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("medium", FAMILIES)
def test_frames_differ_by_a_learnable_amount(medium: str) -> None:
    result = simulate(
        [1, 2, 3, 4], medium=medium, frames=MAXWELL.frames, interval=MAXWELL.interval,
        dtype="float32",
    )  # fmt: skip
    ratio = result.fields.diff(dim=1).std() / result.fields.std()
    # 0: nothing to learn; sqrt(2): consecutive frames are unrelated
    assert 0.2 < float(ratio) < 0.7
    assert result.fields.dtype == torch.float32
    assert result.fields.shape == (4, MAXWELL.frames, 6, 16, 16, 16)
    assert result.constants.shape == (4, 1, 16, 16, 16)
    assert float(result.constants.min()) >= 1.0
    assert float(result.constants.max()) <= 4.0


def test_no_field_has_a_mean() -> None:
    # a curl on a periodic grid sums to zero, and so does everything that grows from it
    fields = simulate([5]).fields
    assert float(fields.mean(dim=(3, 4, 5)).abs().max()) < 1e-14


def test_a_potential_lies_on_edges() -> None:
    def at(axis: int) -> Tensor:
        grid = Grid(cells=16, ndim=3, periodic=True)
        return draw_potential(torch.Generator().manual_seed(3), grid)[axis]

    for axis in range(3):
        smooth = at(axis)
        # the same pulses at twice the resolution, averaged to the edge from its two halves
        fine_grid = Grid(cells=32, ndim=3, periodic=True)
        fine = draw_potential(torch.Generator().manual_seed(3), fine_grid)[axis]
        picked = fine[::2, ::2, ::2]
        second = fine.roll(-1, axis)[::2, ::2, ::2]
        # second order across half a cell of 1 / 16, at curvatures of 1 / width
        assert_close((picked + second) / 2, smooth, rtol=0.0, atol=0.01 * AMPLITUDE)


@pytest.mark.usefixtures("without_shape_check")
def test_bad_arguments_give_one_error_of_ours() -> None:
    ones, field = torch.ones(1, 8, 8, 8), torch.zeros(1, 3, 8, 8, 8)
    with pytest.raises(ConfigError, match="steps_for"):
        MaxwellSolver(ones, field, field, spacing=1 / 8, time_step=0.073)
    with pytest.raises(DataError, match="permittivity"):
        MaxwellSolver(0 * ones, field, field, spacing=1 / 8, time_step=0.05)
    with pytest.raises(ShapeError, match="equal shapes"):
        MaxwellSolver(ones, field[..., :4], field, spacing=1 / 8, time_step=0.05)
    with pytest.raises(ConfigError, match="did you mean 'layers'"):
        simulate([0], medium="layer")
