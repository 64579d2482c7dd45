"""The rotating shallow-water equations on the doubly periodic square, pseudo-spectral.

    dh/dt = -div F,    dv/dt = -q (k x F) - grad(g h + |v|^2 / 2),
    F = h v,    q = (curl v + f) / h

with layer depth h, velocity v, potential vorticity q and constant Coriolis parameter f. Products
are taken at the points, and F, q k x F and the Bernoulli function lose the waves that the 2/3 rule
drops. In this form, that of Sadourny (1975, doi:10.1175/1520-0469(1975)032<0680:TDOFDM>2.0.CO;2),
the sum over the points of h |v|^2 / 2 + g h^2 / 2 is an exact invariant of the equations in space:
the force q k x F does no work on F at any point, and grad is minus the transpose of div.

Every wave k is damped at the rate damping (|k| / k_cut)^4, k_cut the shortest resolved wave
along an axis, which takes out what waves and filaments carry to the grid. Time stepping is
the classical Runge-Kutta method of order 4 under an integrating factor (Lawson 1967,
doi:10.1137/0704033), so that the damping is exact.

Units: the domain's edge, the mean depth H and the speed of long waves sqrt(g H) are 1, so g = 1.
Time is in edge / wave speed. With f = 10 the deformation radius sqrt(g H) / f is a tenth of the
edge. A frame is a state at one moment; point (i, j) of n x n lies at (i, j) / n.

The default interval is an eighth of a prediction step, because the reader that this problem was
made for takes every eighth frame from the fifth on; 85 frames leave 11.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from wavelit_plugin.data.media import Grid, integer, uniform
from wavelit_plugin.data.periodic import resample, resolved, wave_numbers
from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.plugins.datasets import DTYPES, Problem, Setup, Trajectories

NDIM = 2

CORIOLIS = 10.0
"""Coriolis parameter of the data, in wave speed / edge."""

DAMPING = 100.0
"""Rate at which the shortest resolved waves are damped in the data, per edge / wave speed."""

MAX_SPEED = 2.0
"""No signal of the data is faster than this: waves of 1.2 on a current of 0.5, and room."""

RK4_LIMIT = math.sqrt(8.0)
"""Largest stable time step x frequency of the Runge-Kutta method for an oscillation."""

CFL = 0.9
"""Fraction of the largest stable time step that is used at most."""

DRAW_POINTS = 64
"""Initial states are drawn on a grid of this many points per axis, whatever the simulation's."""

SHORTEST_FLOW = 10
"""No balanced flow has more waves per edge, so that DRAW_POINTS resolve products of two."""

State = Float[Tensor, "batch 3 *space"]
"""Depth anomaly h - 1 and the two velocities."""


def steps_for(interval: float, *, points: int) -> int:
    """Return how many equal steps ``interval`` needs to be stable on points x points.

    >>> steps_for(0.01, points=128)
    3
    """
    shortest = math.sqrt(NDIM) * 2 * math.pi * points / 3
    return max(1, math.ceil(interval * shortest * MAX_SPEED / (RK4_LIMIT * CFL)))


class ShallowWaterSolver:
    """Advance a batch of trajectories on one grid.

    Args:
        state: depth anomaly and velocities at the points; waves that the 2/3 rule drops are lost.
        coriolis: Coriolis parameter.
        damping: rate at which the shortest resolved waves are damped; 0 conserves energy.
        time_step: time step; stable up to what ``steps_for`` gives.

    Raises:
        ConfigError: the grid is not square or the time step is not positive.
    """

    def __init__(self, state: State, *, coriolis: float, damping: float, time_step: float) -> None:
        rows, points = state.shape[-2:]
        if rows != points or not time_step > 0:
            raise ConfigError(
                f"the grid must be square and the time step positive, got {rows} x {points} points "
                f"and {time_step}; correct them"
            )
        self._coriolis, self._time_step, self._points = coriolis, time_step, points
        waves = wave_numbers(points, ndim=NDIM)
        rate = damping * (sum(k.square() for k in waves) / (points / 3) ** 2) ** 2
        self._keep = resolved(points, ndim=NDIM).to(state.device)
        self._half_decay = torch.exp(torch.as_tensor(-0.5 * time_step * rate)).to(state)
        self._dx, self._dy = (2j * math.pi * k.to(state) for k in waves)
        self._spectrum = self._project(state)

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """Advance by ``steps`` time steps."""
        step, decay = self._time_step, self._half_decay
        for _ in range(steps):
            first = self.tendency(self._spectrum)
            start = decay * self._spectrum
            second = self.tendency(start + (step / 2) * decay * first)
            third = self.tendency(start + (step / 2) * second)
            fourth = self.tendency(decay * (start + step * third))
            slope = decay * (decay * first + 2 * (second + third)) + fourth
            self._spectrum = decay * start + (step / 6) * slope

    def tendency(self, spectrum: Tensor) -> Tensor:
        """Return the time derivative of a spectrum (batch, 3, *waves) without damping."""
        _, along_x, along_y = spectrum.unbind(1)
        spin = self._dx * along_y - self._dy * along_x
        anomaly, u, v, vorticity = self._values(torch.cat([spectrum, spin[:, None]], 1)).unbind(1)
        depth = 1.0 + anomaly
        flux = self._project(torch.stack([depth * u, depth * v], dim=1))
        flux_x, flux_y = self._values(flux).unbind(1)
        potential = (vorticity + self._coriolis) / depth
        bernoulli = anomaly + (u.square() + v.square()) / 2
        parts = torch.stack([bernoulli, potential * flux_y, -potential * flux_x], dim=1)
        head, force_x, force_y = self._project(parts).unbind(1)
        change = [
            -(self._dx * flux[:, 0] + self._dy * flux[:, 1]),
            force_x - self._dx * head,
            force_y - self._dy * head,
        ]
        return torch.stack(change, dim=1)

    def fields(self, size: int | None = None) -> State:
        """Return the state at ``size`` points per axis, default the grid's own."""
        size = self._points if size is None else size
        return _values(resample(self._spectrum, size, ndim=NDIM), size)

    def energy(self) -> Float[Tensor, " batch"]:
        """Return the mean of h |v|^2 / 2 + (h - 1)^2 / 2 over the points, invariant undamped."""
        anomaly, u, v = self._values(self._spectrum).unbind(1)
        density = ((1.0 + anomaly) * (u.square() + v.square()) + anomaly.square()) / 2
        return density.mean(dim=(-2, -1))

    def _values(self, spectrum: Tensor) -> Tensor:
        return _values(spectrum, self._points)

    def _project(self, values: Tensor) -> Tensor:
        return torch.fft.rfft2(values, norm="forward") * self._keep


def _values(spectrum: Tensor, points: int) -> Tensor:
    return torch.fft.irfft2(spectrum, s=(points, points), norm="forward")


FAMILIES = {"vortices": 1.0, "jets": 0.2}
"""Families of balanced flows: eddies; unstable currents along x. The number is the amplitude of
the waves that vary along x, relative to those that do not."""

FIELD_UNIT = 0.1
"""Unit of the written pressure and velocities: they are then about 1, as trainers need that do not
normalise, or normalise the pressure only."""

FLOW_SPEED = (0.3, 0.5)
"""Range of the largest speed of the balanced flow."""

BUMPS = (2, 4)
"""Range of the number of bumps and dents of the surface that shed waves."""


def draw_state(generator: Generator, across: float) -> Float[Tensor, "3 x y"]:
    """Return depth anomaly and velocities on DRAW_POINTS^2 points, in float64."""
    flow = _draw_flow(generator, across)
    bumps = torch.zeros(DRAW_POINTS, DRAW_POINTS, dtype=torch.float64)
    grid = Grid(cells=DRAW_POINTS, ndim=NDIM, periodic=True)
    for _ in range(integer(generator, *BUMPS)):
        centre = (uniform(generator, 0.0, 1.0), uniform(generator, 0.0, 1.0))
        width, height = uniform(generator, 0.04, 0.1), uniform(generator, 0.1, 0.2)
        sign = 2 * integer(generator, 0, 1) - 1
        bumps += sign * height * torch.exp(-grid.squared_distance(centre) / (2 * width**2))
    # without its mean the mean depth is 1
    flow[0] += bumps - bumps.mean()
    return flow


def _draw_flow(generator: Generator, across: float) -> Float[Tensor, "3 x y"]:
    """Return a random flow and the surface that balances it.

    The divergence of the momentum equation vanishes where div v = 0 stays 0 at first order:
    laplace h = f laplace psi + 2 (psi_xx psi_yy - psi_xy^2) (Charney's balance, g = 1).
    """
    noise = torch.randn(DRAW_POINTS, DRAW_POINTS, generator=generator, dtype=torch.float64)
    kx, ky = wave_numbers(DRAW_POINTS, ndim=NDIM)
    length = (kx.square() + ky.square()).sqrt()
    shape = torch.where(length <= SHORTEST_FLOW, torch.exp(-((length / 5) ** 2)), 0.0)
    shape = shape * torch.where(kx == 0, 1.0, across)
    shape[0, 0] = 0.0
    psi = torch.fft.rfft2(noise, norm="forward") * shape
    dx, dy = 2j * math.pi * kx, 2j * math.pi * ky
    u, v = _values(torch.stack([-dy * psi, dx * psi]), DRAW_POINTS)
    scale = uniform(generator, *FLOW_SPEED) / float(torch.hypot(u, v).max())
    psi = psi * scale
    xx, xy, yy = _values(torch.stack([dx * dx * psi, dx * dy * psi, dy * dy * psi]), DRAW_POINTS)
    bending = torch.fft.rfft2(2 * (xx * yy - xy.square()), norm="forward")
    laplace = (dx * dx + dy * dy).real
    laplace[0, 0] = -1.0  # the mean of the bending is 0
    height = _values(CORIOLIS * psi + bending / laplace, DRAW_POINTS)
    return torch.stack([height, scale * u, scale * v])


def simulate_shallow_water(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; fields (depth anomaly, velocities)."""
    if setup.medium not in FAMILIES:
        raise unknown_name("medium", setup.medium, FAMILIES)
    points = setup.size * setup.oversample
    drawn = torch.stack(
        [draw_state(torch.Generator().manual_seed(seed), FAMILIES[setup.medium]) for seed in seeds]
    )
    spectrum = resample(torch.fft.rfft2(drawn, norm="forward"), points, ndim=NDIM)
    state = _values(spectrum, points).to(setup.device, DTYPES[setup.dtype])
    steps = steps_for(setup.interval, points=points)
    solver = ShallowWaterSolver(
        state, coriolis=CORIOLIS, damping=DAMPING, time_step=setup.interval / steps
    )
    frames = [solver.fields(setup.size)]
    for _ in range(setup.frames - 1):
        solver.advance(steps)
        frames.append(solver.fields(setup.size))
    fields = torch.stack(frames, dim=1) / FIELD_UNIT
    space = (setup.size,) * NDIM
    return Trajectories(
        fields, fields.new_zeros(len(seeds), 0, *space), fields.new_zeros(len(seeds), 0)
    )


SHALLOW_WATER = Problem(
    name="shallow-water",
    summary="rotating shallow water: balanced eddies and gravity waves, 2-D",
    fields=("pressure", "velocity_x", "velocity_y"),
    constants=(),
    units={
        "length": "edge of the domain",
        "time": "edge of the domain / speed of long waves",
        "pressure": "a tenth of density * gravity * mean depth (its anomaly)",
        "velocity_x": "a tenth of the speed of long waves (along the first space axis)",
        "velocity_y": "a tenth of the speed of long waves (along the second space axis)",
    },
    vectors=(("velocity_x", "velocity_y"),),
    ndim=NDIM,
    frames=85,
    interval=0.025,
    boundaries=("periodic",),
    media=tuple(FAMILIES),
    simulate=simulate_shallow_water,
)
