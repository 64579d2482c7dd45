"""Incompressible flow with a scalar on the periodic square, in two dimensions.

    w_t + v . grad w = nu lap w - drag w + curl F,    s_t + v . grad s = kappa lap s,
    v = (d_y psi, -d_x psi),    -lap psi = w

with vorticity w, velocity v of zero mean and scalar s. The body force F is either F_x =
FORCE sin(FORCED_WAVE y) (Kolmogorov flow, passive scalar) or F_y = buo_y s (buoyancy). Scheme:
Fourier collocation with the flux form of the advection and the 2/3 rule (Orszag 1971,
doi:10.1175/1520-0469(1971)028<1074:OTEOAI>2.0.CO;2), classical Runge-Kutta of order four under an
integrating factor (Lawson 1967, doi:10.1137/0704033), so that diffusion and drag are exact. Each
trajectory takes as many equal steps in an interval as its own velocity asks for.

Axes: the first space axis is x, the second is y and points up. The edge is 2 pi lengths.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from wavelit_plugin.data.periodic import resample, resolved, wave_numbers

EDGE = 2.0 * math.pi
"""Edge of the square."""

CFL = 0.8
"""Most cells that (|v_x| + |v_y|) crosses in a step; the scheme is stable up to 1.3."""

Spectrum = Complex[Tensor, "*part wave_x wave_y"]
"""Fourier coefficients as in ``periodic``."""

Values = Float[Tensor, "*part x y"]
"""Real values on the grid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fluid:
    """What the flow is made of; lengths in 1 / (2 pi) of the edge.

    Args:
        viscosity: diffusivity of momentum, at least 0.
        diffusivity: diffusivity of the scalar, at least 0.
        drag: rate at which velocity is lost at all scales, at least 0.
        force: amplitude of the body force sin(wave y) along x.
        wave: its wave number, an integer.
    """

    viscosity: float
    diffusivity: float
    drag: float = 0.0
    force: float = 0.0
    wave: int = 4


class IncompressibleSolver:
    """Advance a batch of flows on one grid.

    Args:
        fluid: the constants that all trajectories share.
        vorticity: initial vorticity; what the grid does not resolve is cut off.
        scalar: initial scalar, likewise.
        buoyancy: upward acceleration of a unit of the scalar, one for each trajectory.
    """

    def __init__(
        self,
        fluid: Fluid,
        *,
        vorticity: Float[Tensor, "batch x y"],
        scalar: Float[Tensor, "batch x y"],
        buoyancy: Float[Tensor, " batch"] | None = None,
    ) -> None:
        self.size = vorticity.shape[-1]
        self._fluid = fluid
        none = vorticity.new_zeros(len(vorticity))
        self._buoyancy = none if buoyancy is None else buoyancy
        self._k_x, self._k_y = (k.to(vorticity) for k in wave_numbers(self.size, ndim=2))
        squared = self._k_x.square() + self._k_y.square()
        self._inverse = torch.where(squared > 0, 1.0 / squared.clamp_min(1.0), 0.0)
        self._resolved = resolved(self.size, ndim=2).to(vorticity)
        self._decay = torch.stack(
            [fluid.viscosity * squared + fluid.drag, fluid.diffusivity * squared]
        )
        height = torch.arange(self.size, device=vorticity.device, dtype=vorticity.dtype)
        curl = -fluid.force * fluid.wave * torch.cos(height * (fluid.wave * EDGE / self.size))
        self._curl = _spectrum(curl.expand(self.size, -1)) * self._resolved
        state = torch.stack([vorticity, scalar], dim=1)
        self.state: Spectrum = _spectrum(state) * self._resolved

    @torch.no_grad()
    def advance(self, interval: float) -> None:
        """Advance all trajectories by ``interval``, each in its own number of equal steps."""
        steps = self._steps(interval)
        for count in sorted(set(steps)):
            members = [index for index, own in enumerate(steps) if own == count]
            self.state[members] = self.stepped(
                self.state[members],
                self._buoyancy[members],
                time_step=interval / count,
                steps=count,
            )

    def fields(self, size: int | None = None) -> Float[Tensor, "batch field x y"]:
        """Return scalar, velocity_x and velocity_y on ``size`` points an axis, default the grid's.

        A coarser grid gets the Fourier modes that it resolves.
        """
        spectra = torch.cat([self.state[:, 1:], self._velocity(self.state)], dim=1)
        size = self.size if size is None else size
        return _on_points(resample(spectra, size, ndim=2), size)

    def vorticity(self) -> Float[Tensor, "batch x y"]:
        """Return the vorticity on the grid."""
        return self._values(self.state[:, 0])

    @torch.no_grad()
    def stepped(
        self, state: Spectrum, buoyancy: Tensor, *, time_step: float, steps: int
    ) -> Spectrum:
        """Return the state after ``steps`` steps of the scheme."""
        half = torch.exp(-0.5 * time_step * self._decay)
        whole = half.square()
        for _ in range(steps):
            first = self._slope(state, buoyancy)
            base = half * state
            second = self._slope(base + (0.5 * time_step) * half * first, buoyancy)
            third = self._slope(base + (0.5 * time_step) * second, buoyancy)
            last = self._slope(whole * state + time_step * half * third, buoyancy)
            slope = whole * first + 2.0 * half * (second + third) + last
            state = whole * state + (time_step / 6.0) * slope
        return state

    def _slope(self, state: Spectrum, buoyancy: Tensor) -> Spectrum:
        """Return the rate of change without diffusion and drag."""
        velocity = self._values(self._velocity(state))
        carried = self._values(state)
        flux_x, flux_y = (_spectrum(carried * velocity[:, axis : axis + 1]) for axis in (0, 1))
        slope = (self._k_x * flux_x + self._k_y * flux_y) * -1j
        slope[:, 0] += (1j * self._k_x) * state[:, 1] * buoyancy[:, None, None] + self._curl
        return slope * self._resolved

    def _velocity(self, state: Spectrum) -> Spectrum:
        stream = state[:, 0] * self._inverse
        return torch.stack([1j * self._k_y * stream, -1j * self._k_x * stream], dim=1)

    def _values(self, spectrum: Spectrum) -> Values:
        return _on_points(spectrum, self.size)

    def _steps(self, interval: float) -> list[int]:
        """Return the number of steps of each trajectory, from its largest velocity to come."""
        speed = self._values(self._velocity(self.state)).abs().sum(dim=1).amax(dim=(1, 2))
        lift = self._buoyancy.abs() * self._values(self.state[:, 1]).abs().amax(dim=(1, 2))
        bound = speed + interval * (lift + abs(self._fluid.force))
        cells = (bound * interval * (self.size / EDGE)).tolist()
        # a flow that blew up is reported by whoever asked for it
        return [max(1, math.ceil(c / CFL)) if math.isfinite(c) else 1 for c in cells]


def _spectrum(values: Values) -> Spectrum:
    return torch.fft.rfft2(values, norm="forward")


def _on_points(spectrum: Spectrum, size: int) -> Values:
    return torch.fft.irfft2(spectrum, s=(size, size), norm="forward")
