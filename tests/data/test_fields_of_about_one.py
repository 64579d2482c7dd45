"""Written fields are about 1 in every problem, as trainers need that do not normalise."""

from pathlib import Path

import pytest

from wavelit_plugin.data import PROBLEMS, DataRequest, simulate_dataset
from wavelit_plugin.data.statistics import measure

EXCEPTIONS = {"gray-scott": (0.05, 0.4)}
"""Concentrations of a nonlinear equation between 0 and 1, some of them mostly at rest; their unit
is the amount that is fed."""

CASES = [
    (name, medium, boundary)
    for name, problem in PROBLEMS.items()
    for medium in problem.media
    for boundary in problem.boundaries
    # a pattern forms in seconds; one that moves and one that stands do
    if name != "gray-scott" or medium in {"spirals", "worms"}
]


@pytest.mark.parametrize(("name", "medium", "boundary"), CASES)
def test_the_deviation_of_every_field_is_about_one(name: str, medium: str, boundary: str) -> None:
    problem, patterns = PROBLEMS[name], name == "gray-scott"
    data = simulate_dataset(
        name,
        size={1: 128, 2: 32, 3: 16}[problem.ndim],
        trajectories=2 if patterns else 6,
        frames=min(problem.frames, 5 if patterns else 25),
        medium=medium,
        boundary=boundary,
        oversample=4 if patterns else 1,
    )
    least, most = EXCEPTIONS.get(name, (0.3, 3.0))
    statistics = measure([data])
    for field, std, mean in zip(problem.fields, statistics.std, statistics.mean, strict=True):
        assert least < std < most, (field, std)
        assert abs(mean) < 2.0, (field, mean)


def test_a_request_fills_in_what_the_cases_leave_out() -> None:
    """Every problem can be asked for with nothing but its name."""
    for name, problem in PROBLEMS.items():
        setup = DataRequest(out=Path(), problem=name).setup()
        assert (setup.boundary, setup.medium) == (problem.boundaries[0], problem.media[0])
