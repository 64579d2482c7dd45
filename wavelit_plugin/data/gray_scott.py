"""The Gray-Scott reaction of two species on the periodic square, pseudo-spectral.

    dA/dt = D_A lap A - A B^2 + feed (1 - A),    dB/dt = D_B lap B + A B^2 - (feed + kill) B

(Pearson 1993, doi:10.1126/science.261.5118.189). Fourier series in space, the waves that the 2/3
rule drops cut off from the reaction; in time ETDRK4 (see ``exponential``), so that diffusion, feed
and decay are exact where nothing reacts.

Units: the equation's own, with the edge of the square 1, D_A = 2e-5 and D_B = 1e-5: a front is some
0.01 wide, as in The Well's data of 128 points on an edge of 2. A trajectory starts from drops of B
in A = 1; frame 0 comes after a transient of TRANSIENT, when patterns have formed. A frame is a
state at one moment; point (i, j) of n x n lies at (i, j) / n.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from wavelit_plugin.data.exponential import advanced, coefficients
from wavelit_plugin.data.media import Grid, integer, uniform
from wavelit_plugin.data.periodic import resample, resolved, wave_numbers
from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories

NDIM = 2
DIFFUSIVITIES = (2e-5, 1e-5)
"""Of A and of B, in edge^2 / time."""

MAX_STEP = 1.0
"""Largest time step of the data: after five frames the error is below 1e-4 of the solution."""

LEAST_POINTS = 128
"""Fewer points an axis do not resolve a front. At 128 the fields of five frames are within 4 % of
those at 256, at 64 they are off by up to 35 %."""

TRANSIENT = 400.0
"""Time before frame 0."""

DROPS = (8, 16)
"""Range of the number of drops of B at the start."""

Values = Float[Tensor, "batch 2 x y"]
Spectrum = Complex[Tensor, "batch 2 wave_x wave_y"]


class Rates(NamedTuple):
    """What distinguishes the patterns: rates of feeding A and of removing B."""

    feed: float
    kill: float


PATTERNS: Mapping[str, Rates] = MappingProxyType(
    {
        "spirals": Rates(0.018, 0.051),
        "gliders": Rates(0.014, 0.054),
        "bubbles": Rates(0.098, 0.057),
        "maze": Rates(0.029, 0.057),
        "worms": Rates(0.058, 0.065),
        "spots": Rates(0.030, 0.062),
    }
)
"""The patterns by name, the six of The Well's data."""


def steps_for(interval: float) -> int:
    """Return how many equal steps an interval needs.

    >>> steps_for(4.5)
    5
    """
    return max(1, math.ceil(interval / MAX_STEP))


class GrayScottSolver:
    """Advance a batch of trajectories with the same rates on one grid.

    Args:
        state: A and B at the points; waves that the 2/3 rule drops are lost.
        rates: feed and kill, at least 0.
        time_step: time step.
        diffusivities: of A and of B, at least 0.

    Raises:
        ConfigError: a rate or diffusivity is negative or the time step is not positive.
    """

    def __init__(
        self,
        state: Values,
        *,
        rates: Rates,
        time_step: float,
        diffusivities: tuple[float, float] = DIFFUSIVITIES,
    ) -> None:
        if not (min(*rates, *diffusivities) >= 0 and 0 < time_step < math.inf):
            raise ConfigError(
                f"rates and diffusivities must be at least 0 and the time step positive, got "
                f"{tuple(rates)}, {diffusivities} and {time_step}"
            )
        self._points, self._feed = state.shape[-1], rates.feed
        k_x, k_y = wave_numbers(self._points, ndim=NDIM)
        squared = (2 * math.pi) ** 2 * (k_x.square() + k_y.square())
        lost = (rates.feed, rates.feed + rates.kill)
        linear = torch.stack(
            [-d * squared - rate for d, rate in zip(diffusivities, lost, strict=True)]
        )
        factors = coefficients(linear, time_step)
        self._factors = type(factors)(*(factor.to(state) for factor in factors))
        self._resolved = resolved(self._points, ndim=NDIM).to(state)
        self._spectrum: Spectrum = torch.fft.rfft2(state, norm="forward") * self._resolved

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """Advance by ``steps`` time steps."""
        self._spectrum = advanced(self._spectrum, self._factors, self._reaction, steps=steps)

    def fields(self, size: int | None = None) -> Values:
        """Return A and B on ``size`` points an axis, default the solver's own."""
        size = self._points if size is None else size
        return _values(resample(self._spectrum, size, ndim=NDIM), size)

    def _reaction(self, spectrum: Spectrum) -> Spectrum:
        a, b = _values(spectrum, self._points).unbind(1)
        made = torch.fft.rfft2(a * b.square(), norm="forward") * self._resolved
        slope = torch.stack([-made, made], dim=1)
        slope[:, 0, 0, 0] += self._feed
        return slope


def draw_state(generator: Generator, points: int) -> Float[Tensor, "2 x y"]:
    """Return A = 1 with drops of B, where A is lower, on points^2 points in float64."""
    grid = Grid(cells=points, ndim=NDIM, periodic=True)
    clear = grid.full(1.0)
    for _ in range(integer(generator, *DROPS)):
        centre = (uniform(generator, 0.0, 1.0), uniform(generator, 0.0, 1.0))
        width = uniform(generator, 0.02, 0.04)
        clear = clear * (1 - torch.exp(-grid.squared_distance(centre) / (2 * width**2)))
    return torch.stack([(1.0 + clear) / 2, (1.0 - clear) / 2])


def simulate_gray_scott(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; parameters (feed, kill), the same for a medium.

    Raises:
        ConfigError: an unknown medium, or fewer than LEAST_POINTS to simulate on.
    """
    if setup.medium not in PATTERNS:
        raise unknown_name("medium", setup.medium, PATTERNS)
    rates = PATTERNS[setup.medium]
    points = setup.size * setup.oversample
    if points < LEAST_POINTS:
        raise ConfigError(
            f"gray-scott needs size * oversample of at least {LEAST_POINTS}, got {setup.size} * "
            f"{setup.oversample}; use an oversample of {math.ceil(LEAST_POINTS / setup.size)}"
        )
    drawn = [draw_state(torch.Generator().manual_seed(seed), points) for seed in seeds]
    state = torch.stack(drawn).to(setup.device, DTYPES[setup.dtype])
    before = steps_for(TRANSIENT)
    transient = GrayScottSolver(state, rates=rates, time_step=TRANSIENT / before)
    transient.advance(before)
    steps = steps_for(setup.interval)
    solver = GrayScottSolver(transient.fields(), rates=rates, time_step=setup.interval / steps)
    frames = [solver.fields(setup.size)]
    for _ in range(setup.frames - 1):
        solver.advance(steps)
        frames.append(solver.fields(setup.size))
    fields = torch.stack(frames, dim=1)
    space = (setup.size,) * NDIM
    return Trajectories(
        fields,
        fields.new_zeros(len(seeds), 0, *space),
        fields.new_tensor(rates).expand(len(seeds), -1),
    )


def _values(spectrum: Spectrum, points: int) -> Values:
    return torch.fft.irfft2(spectrum, s=(points, points), norm="forward")


GRAY_SCOTT = Problem(
    name="gray-scott",
    summary="two species that react and diffuse into moving or standing patterns, 2-D",
    fields=("a", "b"),
    constants=(),
    units={
        "length": "edge of the domain",
        "time": "that of the equation: A B^2 has the factor 1",
        "a": "the concentration of A that is fed",
        "b": "the same",
        "feed": "1 / time",
        "kill": "1 / time",
    },
    parameters=("feed", "kill"),
    ndim=NDIM,
    frames=41,
    interval=20.0,
    boundaries=("periodic",),
    media=tuple(PATTERNS),
    simulate=simulate_gray_scott,
)
