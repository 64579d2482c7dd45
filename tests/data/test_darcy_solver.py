"""The Darcy solver and its samples: exact solutions, conservation, the law of the random fields."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.data import DataRequest, make_dataset, simulate_dataset
from wavelit_plugin.data.darcy import DARCY, FAMILIES, PHASES, SOURCE, draw_gaussian, solve_darcy
from wavelit_plugin.data.elimination import solve_rows
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.data.statistics import measure
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.hosts.neuraloperator.writer import WRITER as NEURALOPERATOR


def centres(cells: int) -> Tensor:
    return (torch.arange(cells, dtype=torch.float64) + 0.5) / cells


def drawn(cells: int, samples: int, medium: str = "two-phase") -> Tensor:
    fields = [draw_gaussian(torch.Generator().manual_seed(seed), cells) for seed in range(samples)]
    return FAMILIES[medium](torch.stack(fields))


def test_a_smooth_permeability_converges_at_order_two() -> None:
    """u = sin(pi x) sin(2 pi y) for a = 2 + cos(pi x) + y, whose source is written out."""
    errors = []
    for cells in (16, 32):
        x, y = centres(cells)[:, None], centres(cells)
        u = (math.pi * x).sin() * (2 * math.pi * y).sin()
        a = 2 + (math.pi * x).cos() + y
        flow = 5 * math.pi**2 * a * u
        flow += math.pi**2 * (math.pi * x).sin() * (math.pi * x).cos() * (2 * math.pi * y).sin()
        flow -= 2 * math.pi * (math.pi * x).sin() * (2 * math.pi * y).cos()
        found = solve_darcy(a[None], flow[None], 1 / cells)[0]
        errors.append(float((found - u).abs().max()))
    assert errors[1] < 5e-3
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_the_flux_is_right_across_a_jump() -> None:
    """u = sin(2 pi x) sin(pi y) / a for an a that jumps at x = 1/2; its source knows no a."""
    errors = []
    for cells in (16, 32):
        x, y = centres(cells)[:, None], centres(cells)
        wave = (2 * math.pi * x).sin() * (math.pi * y).sin()
        a = torch.where(x < 0.5, 3.0, 12.0).double().expand(cells, cells)
        found = solve_darcy(a[None], 5 * math.pi**2 * wave[None], 1 / cells)[0]
        errors.append(float((found - wave / a).abs().max() * 3))
    assert errors[1] < 5e-3
    assert 3.5 < errors[0] / errors[1] < 4.5


@pytest.mark.parametrize("medium", FAMILIES)
def test_all_that_springs_up_leaves_through_the_edges(medium: str) -> None:
    cells, a = 24, drawn(24, 3, medium)
    u = solve_darcy(a, torch.full_like(a, SOURCE), 1 / cells)
    leaving = sum(
        2 * (a.select(axis, end) * u.select(axis, end)).sum(-1)
        for axis in (1, 2)
        for end in (0, -1)
    )
    assert_close(leaving, torch.full((3,), SOURCE, dtype=torch.float64))
    assert bool((u > 0).all())


def test_twice_the_permeability_is_half_the_pressure() -> None:
    a = drawn(16, 2)
    source = torch.full_like(a, SOURCE)
    assert_close(solve_darcy(2 * a, source, 1 / 16), solve_darcy(a, source, 1 / 16) / 2)


def test_source_and_gauge_may_be_exchanged() -> None:
    a = drawn(16, 1)
    one, other = torch.zeros_like(a), torch.zeros_like(a)
    one[0, 3, 4] = other[0, 11, 9] = 1.0
    there, back = (solve_darcy(a, source, 1 / 16)[0] for source in (one, other))
    assert_close(there[11, 9], back[3, 4])


def test_axes_may_be_exchanged() -> None:
    a = drawn(16, 1)
    source = torch.rand(a.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = solve_darcy(a.transpose(1, 2), source.transpose(1, 2), 1 / 16)
    assert_close(turned.transpose(1, 2), solve_darcy(a, source, 1 / 16))


def test_a_permeability_of_nothing_is_refused() -> None:
    a = torch.ones(1, 8, 8, dtype=torch.float64)
    a[0, 2, 2] = 0.0
    with pytest.raises(ConfigError, match="permeabilities must be positive, got 0"):
        solve_darcy(a, torch.ones_like(a), 1 / 8)


def test_a_seed_draws_the_same_field_on_every_grid() -> None:
    coarse, fine = (draw_gaussian(torch.Generator().manual_seed(3), n) for n in (40, 120))
    assert_close(fine[1::3, 1::3], coarse)


def test_fields_have_the_covariance_that_is_asked_for() -> None:
    """Products of half waves, each with a deviation of 1 / (pi^2 k^2 + 9) over all of them."""
    fields = torch.stack(
        [draw_gaussian(torch.Generator().manual_seed(seed), 64) for seed in range(400)]
    )
    waves = torch.cos(math.pi * centres(64)[:, None] * torch.arange(3)) * math.sqrt(2)
    waves[:, 0] = 1.0
    deviation = (
        torch.einsum("sxy,xk,yl->skl", fields, waves.double(), waves.double()).std(0) / 64**2
    )
    k = torch.arange(3).double()
    height = 1 / (math.pi**2 * (k[:, None].square() + k.square()) + 9)
    ratio = (deviation / height).flatten()[1:]
    assert float(deviation[0, 0]) < 1e-12  # no mean
    assert float(ratio.std() / ratio.mean()) < 0.1
    assert_close(float(fields.square().mean()), 1.0, rtol=0.1, atol=0.0)


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_elimination_by_rows_is_the_solution_of_the_whole(
    batch: tuple[int, ...], dtype: torch.dtype, rng: torch.Generator
) -> None:
    rows, columns = 5, 4

    def random(*shape: int) -> Tensor:
        return torch.randn(*batch, *shape, dtype=dtype, generator=rng)

    blocks = random(rows, columns, columns) + 6 * torch.eye(columns, dtype=dtype)
    between, right = random(rows, columns), random(rows, columns)
    whole = torch.zeros(*batch, rows, columns, rows, columns, dtype=dtype)
    for row in range(rows):
        whole[..., row, :, row, :] = blocks[..., row, :, :]
        if row:
            face = torch.diag_embed(between[..., row, :])
            whole[..., row, :, row - 1, :] = whole[..., row - 1, :, row, :] = face
    size = rows * columns
    wanted = torch.linalg.solve(whole.reshape(*batch, size, size), right.flatten(-2))
    found = solve_rows(lambda row: blocks[..., row, :, :], between, right)
    assert_close(found.flatten(-2), wanted)


@pytest.mark.parametrize("medium", FAMILIES)
def test_samples_are_what_the_solver_says_of_their_permeability(medium: str) -> None:
    fields, constants, parameters = simulate_dataset(
        "darcy", size=16, trajectories=2, medium=medium, oversample=1, dtype="float64"
    )
    assert fields.shape == (2, 1, 1, 16, 16)
    assert parameters.shape == (2, 0)
    source = torch.full((2, 16, 16), SOURCE, dtype=torch.float64)
    assert_close(fields[:, 0, 0], solve_darcy(constants[:, 0], source, 1 / 16))
    if medium == "two-phase":
        assert set(constants.unique().tolist()) == set(PHASES)


@pytest.mark.parametrize("change", [{"frames": 2}, {"interval": 0.5}])
def test_times_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"darcy is steady and has one frame.*leave both out"):
        DataRequest(out=Path(), problem="darcy", **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["pdearena", "the_well"])
def test_hosts_that_train_on_steps_in_time_refuse_it(host: str) -> None:
    with pytest.raises(ConfigError, match="darcy"):
        DataRequest(out=Path(), problem="darcy", host=host)


@pytest.mark.parametrize("layout", ["pairs", "darcy"])
def test_files_hold_permeability_and_pressure_and_nothing_else(layout: str, tmp_path: Path) -> None:
    request = DataRequest(
        out=tmp_path, problem="darcy", size=16, trajectories=5, test_trajectories=2, layout=layout
    )
    report = make_dataset(request)
    assert report.files == ("darcy_train_16.pt", "darcy_test_16.pt", "darcy_16.json")
    assert report.samples == {"train": 5, "test": 2}
    assert report.frame_change == {}
    held = torch.load(tmp_path / "darcy_train_16.pt", weights_only=True)
    fields, constants, _ = simulate_dataset("darcy", size=16, trajectories=5, seed=0)
    channel = (slice(None), None) if layout == "darcy" else (slice(None),)
    assert_close(held["x"][channel], constants)
    assert_close(held["y"][channel], fields[:, 0])
    assert json.loads((tmp_path / "darcy_16.json").read_text())["std"]["pressure"] > 0


@pytest.mark.parametrize("layout", ["pairs", "darcy"])
def test_our_reader_knows_it_as_two_quantities(layout: str, tmp_path: Path) -> None:
    make_dataset(
        DataRequest(
            out=tmp_path,
            problem="darcy",
            size=16,
            trajectories=10,
            test_trajectories=2,
            layout=layout,
        )
    )
    data = read_grid_data(tmp_path)
    assert (data.fields, data.constants, data.continues) == (
        ("pressure",),
        ("permeability",),
        False,
    )
    assert (len(data.train.x), len(data.valid.x), len(data.test.x)) == (8, 2, 2)
    assert data.boundary == ("open", "open")


def test_one_frame_has_statistics_and_no_change() -> None:
    found = measure([simulate_dataset("darcy", size=16, trajectories=3, oversample=1)])
    assert found.frame_change == [0.0]
    assert found.std[0] > 0


def test_the_layout_of_one_channel_refuses_two_constants() -> None:
    two = replace(DARCY, constants=("permeability", "porosity"))
    setup = DataRequest(out=Path(), problem="darcy", size=16).setup()
    with pytest.raises(ConfigError, match=r"one constant .* permeability, porosity; use layout"):
        NEURALOPERATOR.check(two, setup, "darcy")
