"""Wrong arguments of the solver give one error of ours."""

import pytest
import torch

from wavelit_plugin.data.acoustics import AcousticSolver, Material, steps_for
from wavelit_plugin.errors import ConfigError, DataError, ShapeError

ONE = torch.ones(1, 8, 8)


def solver(boundary: str | tuple[str, ...] = "wall", time_step: float = 0.05) -> AcousticSolver:
    material = Material(density=ONE, speed=ONE)
    return AcousticSolver(material, boundary=boundary, spacing=1 / 8, time_step=time_step)


def test_an_unknown_boundary_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'periodic'"):
        solver("periodc")


def test_the_number_of_boundaries_must_match() -> None:
    with pytest.raises(ConfigError, match="2 axes"):
        solver(("wall", "wall", "open"))


@pytest.mark.parametrize("time_step", [0.0, -1.0, 0.0885, float("nan")])
def test_an_unstable_time_step_is_refused(time_step: float) -> None:
    with pytest.raises(ConfigError, match="steps_for"):
        solver(time_step=time_step)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_material_must_be_positive_and_finite(value: float) -> None:
    bad = ONE.clone()
    bad[0, 3, 3] = value
    with pytest.raises(DataError, match="speed"):
        Material(density=ONE, speed=bad)
    with pytest.raises(DataError, match="density"):
        Material(density=bad, speed=ONE)


@pytest.mark.usefixtures("without_shape_check")
def test_shapes_of_material_and_state_must_agree() -> None:
    with pytest.raises(ShapeError):
        Material(density=ONE, speed=ONE[..., :4])
    with pytest.raises(ShapeError, match="batch"):
        Material(density=ONE[0, 0], speed=ONE[0, 0])
    with pytest.raises(ShapeError, match="equal shapes"):
        solver("open").start(ONE[..., :4])
    with pytest.raises(ShapeError, match="2 axes"):
        solver().start(ONE, [ONE])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_steps_for_stays_below_the_stable_step(ndim: int) -> None:
    steps = steps_for(0.04, spacing=1 / 128, max_speed=2.0, ndim=ndim)
    assert 0.04 / steps <= (1 / 128) / (2.0 * ndim**0.5)
    # and wastes no step: one fewer would pass the 95 % that it aims for
    assert 0.04 / (steps - 1) > 0.95 * (1 / 128) / (2.0 * ndim**0.5)
