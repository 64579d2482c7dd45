"""The linear acoustic wave equation in a heterogeneous medium, in one to three dimensions.

    rho dv/dt = -grad p,    dp/dt = -K div v,    K = rho c^2

with pressure p, velocity v, density rho(x) and sound speed c(x). Scheme: finite differences on a
staggered grid with leapfrog in time (Virieux 1984, doi:10.1190/1.1441605), second order in space
and time. Pressure lives at cell centres and whole steps, the velocity along an axis on the faces
normal to it and at half steps. The density of a face is the mean of its two cells, so that the
flux through a jump of the medium at a face is exact to second order.

Units: the domain's length, a reference sound speed c0 and a reference density rho0 are 1. Time is
in length / c0, velocity in c0, pressure in rho0 c0^2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.data.absorbing import LAYER_CELLS, LayerSpec, SlabPair
from wavelit_plugin.errors import ConfigError, DataError, ShapeError, unknown_name
from wavelit_plugin.shapes import Field, check_same_shape

BOUNDARIES = ("open", "wall", "periodic")
"""Absorbing layer outside the domain; rigid wall (no normal velocity); wrapped around."""

CFL = 0.95
"""Fraction of the largest stable time step that is used at most."""

Cells = Float[Tensor, "batch *space"]
"""One value per cell, one entry of the batch per trajectory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """Density and sound speed of every cell; both positive and finite.

    Raises:
        ShapeError: the two differ in shape or have no space axis.
        DataError: a value is not positive or not finite.
    """

    density: Cells
    speed: Cells

    def __post_init__(self) -> None:
        check_same_shape(density=self.density, speed=self.speed)
        if self.density.ndim < 2:
            raise ShapeError(
                f"a material is (batch, *space), got shape {tuple(self.density.shape)}; "
                f"add the batch axis"
            )
        for name, value in (("density", self.density), ("speed", self.speed)):
            if not bool((torch.isfinite(value) & (value > 0)).all()):
                raise DataError(f"{name} must be positive and finite everywhere; correct the field")


def steps_for(interval: float, *, spacing: float, max_speed: float, ndim: int) -> int:
    """Return how many equal steps ``interval`` needs to stay within CFL of the stable step.

    The largest stable step of the scheme is spacing / (max_speed sqrt(ndim)).

    >>> steps_for(0.04, spacing=1 / 128, max_speed=1.0, ndim=2)
    8
    """
    return max(1, math.ceil(interval * max_speed * math.sqrt(ndim) / (CFL * spacing)))


class AcousticSolver:
    """Advance a batch of trajectories on one grid of cubic cells.

    Args:
        material: density and speed, (batch, *space).
        boundary: one of BOUNDARIES for all axes, or one per axis.
        spacing: edge of a cell.
        time_step: time between two pressures; at most spacing / (max speed sqrt(ndim)).
        max_speed: an upper bound of the sound speed that the absorbing layer is built for;
            default the largest of the batch. Give it where a trajectory must not depend on
            what else is in the batch.

    Raises:
        ConfigError: unknown boundary, wrong number of them, or a time step above the limit.
    """

    def __init__(
        self,
        material: Material,
        *,
        boundary: str | Sequence[str],
        spacing: float,
        time_step: float,
        max_speed: float | None = None,
    ) -> None:
        self._space = material.density.shape[1:]
        self._boundaries = _per_axis(boundary, ndim=len(self._space))
        speed = float(material.speed.max()) if max_speed is None else max_speed
        _check_stable(time_step, spacing=spacing, speed=speed, ndim=len(self._space))
        self._spacing = spacing
        self._axes = range(1, len(self._space) + 1)
        density, speeds = self._padded(material.density), self._padded(material.speed)
        self._bulk = density * speeds.square()
        self._gain = self._bulk * (time_step / spacing)
        self._face_density = [self._face_mean(density, axis) for axis in self._axes]
        self._kick = [(time_step / spacing) / rho for rho in self._face_density]
        self._pressure = torch.zeros_like(density)
        self._divergence = torch.zeros_like(density)
        self._scratch = torch.zeros_like(density)
        self._velocity = [torch.zeros_like(rho) for rho in self._face_density]
        self._gradient = [torch.zeros_like(rho) for rho in self._face_density]
        self._layer = LayerSpec(spacing=spacing, speed=speed, time_step=time_step)
        self._reset_layers()

    @torch.no_grad()
    def start(self, pressure: Cells, velocity: Sequence[Cells] | None = None) -> None:
        """Set the state at time 0; the velocity is per axis at cell centres, default at rest.

        Raises:
            ShapeError: a part is not of the material's shape, or a velocity component is missing.
        """
        at_rest = [torch.zeros_like(pressure)] * len(self._space)
        velocity = at_rest if velocity is None else velocity
        if len(velocity) != len(self._space):
            raise ShapeError(
                f"expected one velocity for each of {len(self._space)} axes, got {len(velocity)}; "
                f"add or remove components"
            )
        self._pressure = self._embedded(pressure)
        self._velocity = [
            self._on_faces(self._embedded(cells), axis)
            for axis, cells in zip(self._axes, velocity, strict=True)
        ]
        self._reset_layers()
        # half a step with the gradient at time 0 brings the velocity to time 1/2: order 2
        self._differentiate_pressure()
        self._accelerate(0.5)

    @torch.no_grad()
    def advance(self, steps: int) -> None:
        """Advance pressure and velocity by ``steps`` time steps."""
        for _ in range(steps):
            self._compress()
            self._differentiate_pressure()
            self._accelerate(1.0)

    @torch.no_grad()
    def fields(self) -> Field:
        """Return (batch, 1 + ndim, *space): pressure and velocities at cell centres at one time."""
        components = [self._crop(self._pressure)]
        for axis, velocity in zip(self._axes, self._velocity_now(), strict=True):
            low, high = _neighbours(velocity, axis)
            components.append(self._crop((low + high) / 2))
        return torch.stack(components, dim=1)

    @torch.no_grad()
    def energy(self) -> Float[Tensor, " batch"]:
        """Return the energy that the scheme itself conserves, including absorbing layers.

        E = sum over cells p_n^2 / (2 K) + sum over faces rho/2 v_(n-1/2) v_(n+1/2), times the
        cell's volume. With walls or periodic axes it is constant up to rounding: the discrete
        gradient is minus the transpose of the discrete divergence.
        """
        total = (self._pressure.square() / self._bulk).flatten(1).sum(dim=1)
        for position, axis in enumerate(self._axes):
            after = self._velocity[position]
            before = after + self._kick[position] * self._gradient[position]
            kinetic = self._face_density[position] * before * after
            # the first and the last face of a periodic axis are one face; else both are at rest
            distinct = kinetic.narrow(axis, 1, kinetic.shape[axis] - 1)
            total = total + distinct.flatten(1).sum(dim=1)
        return total * (0.5 * self._spacing ** len(self._space))

    def _compress(self) -> None:
        for position, axis in enumerate(self._axes):
            out = self._divergence if position == 0 else self._scratch
            low, high = _neighbours(self._velocity[position], axis)
            torch.sub(high, low, out=out)
            if position in self._cell_layers:
                self._cell_layers[position].stretch(out)
            if position > 0:
                self._divergence.add_(out)
        self._pressure.addcmul_(self._divergence, self._gain, value=-1.0)

    def _differentiate_pressure(self) -> None:
        for position, axis in enumerate(self._axes):
            out = self._gradient[position]
            cells = self._pressure.shape[axis]
            low, high = _neighbours(self._pressure, axis)
            torch.sub(high, low, out=out.narrow(axis, 1, cells - 1))
            if self._boundaries[position] == "periodic":
                first, last = out.narrow(axis, 0, 1), out.narrow(axis, cells, 1)
                pressure = self._pressure
                torch.sub(pressure.narrow(axis, 0, 1), pressure.narrow(axis, -1, 1), out=first)
                last.copy_(first)
            if position in self._face_layers:
                self._face_layers[position].stretch(out)

    def _accelerate(self, fraction: float) -> None:
        for velocity, gradient, kick in zip(
            self._velocity, self._gradient, self._kick, strict=True
        ):
            velocity.addcmul_(gradient, kick, value=-fraction)

    def _velocity_now(self) -> list[Tensor]:
        return [
            torch.addcmul(velocity, gradient, kick, value=0.5)
            for velocity, gradient, kick in zip(
                self._velocity, self._gradient, self._kick, strict=True
            )
        ]

    def _embedded(self, cells: Tensor) -> Tensor:
        """Return a state with zeros in the absorbing layers."""
        whole = torch.zeros_like(self._bulk)
        check_same_shape(state=cells, material=self._crop(whole))
        self._crop(whole).copy_(cells)
        return whole

    def _on_faces(self, cells: Tensor, axis: int) -> Tensor:
        """Return a velocity on faces; it vanishes on outer ones that do not wrap."""
        faces = self._face_mean(cells, axis)
        if self._boundaries[axis - 1] != "periodic":
            for end in (0, faces.shape[axis] - 1):
                faces.narrow(axis, end, 1).zero_()
        return faces

    def _face_mean(self, cells: Tensor, axis: int) -> Tensor:
        """Mean of the two cells of every face; outer faces wrap, or take their only cell."""
        first, last = cells.narrow(axis, 0, 1), cells.narrow(axis, -1, 1)
        if self._boundaries[axis - 1] == "periodic":
            first, last = last, first
        low, high = torch.cat([first, cells], axis), torch.cat([cells, last], axis)
        return (low + high) / 2

    def _margin(self, axis: int) -> int:
        return LAYER_CELLS if self._boundaries[axis - 1] == "open" else 0

    def _padded(self, cells: Tensor) -> Tensor:
        """Continue the edge values through the absorbing layers."""
        for axis in self._axes:
            size, margin = cells.shape[axis], self._margin(axis)
            index = torch.arange(-margin, size + margin, device=cells.device)
            cells = cells.index_select(axis, index.clamp(0, size - 1))
        return cells

    def _crop(self, cells: Tensor) -> Tensor:
        for axis, size in zip(self._axes, self._space, strict=True):
            cells = cells.narrow(axis, self._margin(axis), size)
        return cells

    def _reset_layers(self) -> None:
        """Give the open axes, by position, fresh absorbing layers at faces and cells."""
        positions = [at for at, name in enumerate(self._boundaries) if name == "open"]
        self._face_layers = {
            at: SlabPair(self._gradient[at], self._layer, axis=at + 1, staggered=True)
            for at in positions
        }
        self._cell_layers = {
            at: SlabPair(self._divergence, self._layer, axis=at + 1, staggered=False)
            for at in positions
        }


def _neighbours(u: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    size = u.shape[axis] - 1
    return u.narrow(axis, 0, size), u.narrow(axis, 1, size)


def _per_axis(boundary: str | Sequence[str], *, ndim: int) -> tuple[str, ...]:
    boundaries = (boundary,) * ndim if isinstance(boundary, str) else tuple(boundary)
    if len(boundaries) != ndim:
        raise ConfigError(
            f"expected one boundary or one for each of {ndim} axes, got {boundaries}; add or "
            f"remove a name"
        )
    for name in boundaries:
        if name not in BOUNDARIES:
            raise unknown_name("boundary", name, BOUNDARIES)
    return boundaries


def _check_stable(time_step: float, *, spacing: float, speed: float, ndim: int) -> None:
    limit = spacing / (speed * math.sqrt(ndim))
    if not 0.0 < time_step <= limit:
        raise ConfigError(
            f"time_step must be above 0 and at most spacing / (speed sqrt(ndim)) = {limit:.3g}, "
            f"got {time_step:.3g}; use steps_for()"
        )
