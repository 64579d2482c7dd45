"""The problems that data can be made from; a new equation is one more file and one more record."""

from collections.abc import Mapping
from types import MappingProxyType

from wavelit_plugin.data.darcy import DARCY
from wavelit_plugin.data.flows import BUOYANT_FLOW, KOLMOGOROV
from wavelit_plugin.data.gray_scott import GRAY_SCOTT
from wavelit_plugin.data.harmonic import HELMHOLTZ
from wavelit_plugin.data.kuramoto_sivashinsky import KURAMOTO_SIVASHINSKY
from wavelit_plugin.data.maxwell import MAXWELL
from wavelit_plugin.data.scattering import ACOUSTICS
from wavelit_plugin.data.shallow_water import SHALLOW_WATER
from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.plugins.datasets import Problem, Setup, check_at_least

PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {
        problem.name: problem
        for problem in (
            ACOUSTICS,
            HELMHOLTZ,
            DARCY,
            KOLMOGOROV,
            BUOYANT_FLOW,
            SHALLOW_WATER,
            GRAY_SCOTT,
            KURAMOTO_SIVASHINSKY,
            MAXWELL,
        )
    }
)
"""The problems by name."""


def find_problem(name: str) -> Problem:
    """Return the problem of that name; ConfigError with the nearest name otherwise."""
    if name not in PROBLEMS:
        raise unknown_name("problem", name, PROBLEMS)
    return PROBLEMS[name]


def check_setup(problem: Problem, setup: Setup) -> None:
    """Raise ConfigError unless the problem knows the setup's boundary and medium, and its times."""
    if setup.boundary not in problem.boundaries:
        raise unknown_name("boundary", setup.boundary, problem.boundaries)
    if setup.medium not in problem.media:
        raise unknown_name("medium", setup.medium, problem.media)
    if not problem.steady:
        check_at_least("frames", setup.frames, 2)
    elif (setup.frames, setup.interval) != (problem.frames, problem.interval):
        raise ConfigError(
            f"{problem.name} is steady and has one frame, got frames {setup.frames} and interval "
            f"{setup.interval:g}; leave both out"
        )
