"""The Kuramoto-Sivashinsky equation on a periodic interval, by exponential time differencing.

    du/dt + u u_x + u_xx + v u_xxxx = 0

with viscosity v. Long waves grow, short ones decay (rate k^2 - v k^4), and the advection between
them makes the solution chaotic. Fourier series in space, products dealiased by the 2/3 rule;
in time ETDRK4 (see ``exponential``).

Everything is computed in float64 and rounded at the end: chaos multiplies the rounding of float32
by about 100 within the default trajectory, which would make the frames depend on the machine.

Units: those of the equation, in which the fastest growing wave of v = 1 is 2 pi sqrt(2) = 8.9 long.
A trajectory has three parameters: the time dt between two frames, the distance dx between two
stored points and v. Drawn are dt / interval from DT, dx from DX and v from VISCOSITY, uniformly,
so ``interval`` is the mean of dt and the domain's length is size * dx. A frame is a state at one
moment; point i lies at i dx. Frame 0 comes after a transient of TRANSIENT, so that all frames are
states that the equation itself leads to, whatever it was started from.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor

from wavelit_plugin.data.exponential import advanced, coefficients
from wavelit_plugin.data.media import uniform
from wavelit_plugin.data.periodic import resample, resolved, wave_numbers
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.datasets import (
    DTYPES,
    Problem,
    Setup,
    Trajectories,
    check_at_least,
    check_device,
)

DT = (0.9, 1.1)
"""Range of the time between two frames, in units of the setup's interval."""

DX = (0.225, 0.275)
"""Range of the distance between two stored points."""

VISCOSITY = (0.5, 1.5)
"""Range of the viscosity."""

TRANSIENT = 100.0
"""Time before frame 0: at the largest viscosity, the fastest wave grows by e^16 in it."""

MAX_STEP = 0.025
"""Largest time step of the data: the error of one frame is then about 1e-6 of the solution."""

LEAST_SIZE = 64
"""Fewer points at these distances make a domain that is too short for more than one long wave."""

INITIAL_WAVES = 16
"""The initial state is a sum of this many sines and cosines with amplitudes of about 0.1."""

Points = Float[Tensor, "batch points"]
Number = Float[Tensor, " batch"]


def steps_for(interval: float) -> int:
    """Return how many equal steps a frame of a trajectory with the longest dt needs.

    >>> steps_for(0.2)
    9
    """
    return max(1, math.ceil(DT[1] * interval / MAX_STEP))


class KuramotoSivashinskySolver:
    """Advance a batch of trajectories, each with its own length, viscosity and time step.

    Args:
        state: values at equidistant points, float64; waves that the 2/3 rule drops are lost.
        length: length of the domain.
        viscosity: v.
        time_step: time step; the scheme has no stability limit of the kind 1 / points^4.

    Raises:
        ConfigError: a length, viscosity or time step is not positive and finite.
    """

    def __init__(
        self, state: Points, *, length: Number, viscosity: Number, time_step: Number
    ) -> None:
        for name, value in (("length", length), ("viscosity", viscosity), ("step", time_step)):
            if not bool((torch.isfinite(value) & (value > 0)).all()):
                raise ConfigError(f"{name} must be positive and finite, got {value.tolist()}")
        self._points = state.shape[-1]
        (waves,) = wave_numbers(self._points, ndim=1)
        k = 2 * math.pi * waves.to(state) / length[:, None]
        keep = resolved(self._points, ndim=1).to(state.device)
        self._half_dx = 0.5j * k * keep
        linear = k.square() - viscosity[:, None] * k.square().square()
        self._factors = coefficients(linear, time_step[:, None])
        self._spectrum = torch.fft.rfft(state, norm="forward") * keep

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """Advance every trajectory by ``steps`` of its own time steps."""
        self._spectrum = advanced(self._spectrum, self._factors, self._advection, steps=steps)

    def fields(self, size: int | None = None) -> Points:
        """Return the state at ``size`` points, default the solver's own."""
        size = self._points if size is None else size
        return torch.fft.irfft(resample(self._spectrum, size, ndim=1), n=size, norm="forward")

    def _advection(
        self, spectrum: Complex[Tensor, "batch waves"]
    ) -> Complex[Tensor, "batch waves"]:
        u = torch.fft.irfft(spectrum, n=self._points, norm="forward")
        return -self._half_dx * torch.fft.rfft(u.square(), norm="forward")


def draw_parameters(generator: Generator, interval: float) -> tuple[float, float, float]:
    """Return dt, dx and v of one trajectory."""
    return (
        interval * uniform(generator, *DT),
        uniform(generator, *DX),
        uniform(generator, *VISCOSITY),
    )


def draw_state(generator: Generator, points: int) -> Float[Tensor, " points"]:
    """Return a random sum of INITIAL_WAVES sines and cosines, with mean 0."""
    amplitude = 0.1 * torch.randn(INITIAL_WAVES, 2, generator=generator, dtype=torch.float64)
    waves = torch.arange(1, INITIAL_WAVES + 1, dtype=torch.float64)
    x = torch.arange(points, dtype=torch.float64) / points
    phase = 2 * math.pi * waves[:, None] * x
    return amplitude[:, 0] @ torch.sin(phase) + amplitude[:, 1] @ torch.cos(phase)


def simulate_kuramoto_sivashinsky(setup: Setup, seeds: Sequence[int]) -> Trajectories:
    """Simulate one trajectory per seed; parameters (dt, dx, v).

    Raises:
        ConfigError: the size is below LEAST_SIZE or the device has no float64.
    """
    check_at_least("size of kuramoto-sivashinsky", setup.size, LEAST_SIZE)
    check_device(setup.device, dtype=torch.float64)
    states, rows = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        rows.append(draw_parameters(generator, setup.interval))
        states.append(draw_state(generator, setup.size * setup.oversample))
    parameters = torch.tensor(rows, dtype=torch.float64, device=setup.device)
    dt, dx, viscosity = parameters.unbind(1)
    domain = {"length": setup.size * dx, "viscosity": viscosity}
    state = torch.stack(states).to(setup.device)
    before = steps_for(TRANSIENT)
    transient = KuramotoSivashinskySolver(
        state, time_step=torch.full_like(dt, TRANSIENT / before), **domain
    )
    transient.advance(before)
    steps = steps_for(setup.interval)
    solver = KuramotoSivashinskySolver(transient.fields(), time_step=dt / steps, **domain)
    frames = [solver.fields(setup.size)]
    for _ in range(setup.frames - 1):
        solver.advance(steps)
        frames.append(solver.fields(setup.size))
    dtype = DTYPES[setup.dtype]
    fields = torch.stack(frames, dim=1)[:, :, None].to(dtype)
    return Trajectories(fields, fields.new_zeros(len(seeds), 0, setup.size), parameters.to(dtype))


KURAMOTO_SIVASHINSKY = Problem(
    name="kuramoto-sivashinsky",
    summary="chaotic waves of the Kuramoto-Sivashinsky equation, 1-D",
    fields=("velocity",),
    constants=(),
    units={
        "length": "that of the equation: the shortest growing wave is 2 pi sqrt(v) long",
        "time": "that of the equation: the fastest growing wave grows at the rate 1 / (4 v)",
        "velocity": "length / time",
        "dt": "time (between two frames)",
        "dx": "length (between two stored points)",
        "v": "length^4 / time, where u_xx has the factor 1 length^2 / time",
    },
    parameters=("dt", "dx", "v"),
    ndim=1,
    frames=160,
    interval=0.2,
    boundaries=("periodic",),
    media=("attractor",),
    simulate=simulate_kuramoto_sivashinsky,
)
