"""Random media and initial states, drawn in continuous coordinates from a seeded generator.

The same seed gives the same geometry at every resolution (a pulse's centre is rejected by the
cell that it falls into, so one that touches the edge of a maze wall may differ).
Lengths are in units of the domain's edge, speeds and densities relative to the reference (1).
Everything is computed in float64 on the CPU, so a draw does not depend on the device.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

Cells = Float[Tensor, " *space"]

MAX_SPEED = 1.0
"""No family draws a larger sound speed, so one time step serves every trajectory."""

WALL_DENSITY = 50.0
"""Density of maze walls at speed 1: 96 % of the amplitude is reflected by a thick wall."""


WALL_UNITS = 64
"""Maze walls lie on a lattice of this many units per axis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Cell centres of the unit cube; distances wrap around where it is periodic."""

    cells: int
    ndim: int
    periodic: bool = False

    def axis(self, axis: int) -> Float[Tensor, " *space"]:
        """Return the coordinate along one axis, shaped to broadcast against the grid."""
        shape = [1] * self.ndim
        shape[axis] = self.cells
        return ((torch.arange(self.cells, dtype=torch.float64) + 0.5) / self.cells).view(shape)

    def offset(self, axis: int, centre: float) -> Float[Tensor, " *space"]:
        """Return the signed distance to ``centre`` along one axis."""
        distance = self.axis(axis) - centre
        return distance - distance.round() if self.periodic else distance

    def squared_distance(self, centre: tuple[float, ...]) -> Cells:
        """Return the squared distance of every cell to a point."""
        total = torch.zeros((1,) * self.ndim, dtype=torch.float64)
        for axis, position in enumerate(centre):
            total = total + self.offset(axis, position).square()
        return total

    def full(self, value: float) -> Cells:
        """Return a constant field."""
        return torch.full((self.cells,) * self.ndim, value, dtype=torch.float64)


Medium = tuple[Cells, Cells]
"""Density and sound speed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """A family of random media: its name, a line for lists, and how one is drawn."""

    name: str
    summary: str
    draw: Callable[[Generator, Grid], Medium]


def uniform(generator: Generator, low: float, high: float) -> float:
    """Return one number between ``low`` and ``high``."""
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def integer(generator: Generator, low: int, high: int) -> int:
    """Return one integer between ``low`` and ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def draw_uniform(generator: Generator, grid: Grid) -> Medium:
    """Return the reference medium everywhere."""
    del generator
    return grid.full(1.0), grid.full(1.0)


def draw_inclusions(generator: Generator, grid: Grid) -> Medium:
    """Return 2-5 balls or boxes of speed 0.3-1 in the reference medium; later ones cover."""
    speed = grid.full(1.0)
    for _ in range(integer(generator, 2, 5)):
        value = uniform(generator, 0.3, 1.0)
        inside = _draw_shape(generator, grid)
        speed[inside.expand_as(speed)] = value
    return grid.full(1.0), speed


def _draw_shape(generator: Generator, grid: Grid) -> Bool[Tensor, " *space"]:
    centre = tuple(uniform(generator, 0.0, 1.0) for _ in range(grid.ndim))
    if integer(generator, 0, 1):
        return grid.squared_distance(centre) < uniform(generator, 0.03, 0.15) ** 2
    inside = torch.ones((1,) * grid.ndim, dtype=torch.bool)
    for axis, position in enumerate(centre):
        inside = inside & (grid.offset(axis, position).abs() < uniform(generator, 0.03, 0.18))
    return inside


def draw_layers(generator: Generator, grid: Grid) -> Medium:
    """Return 3-6 layers of density 0.5-2 and speed 0.4-1 across a random axis."""
    axis, count = integer(generator, 0, grid.ndim - 1), integer(generator, 3, 6)
    edges = torch.rand(count - 1, generator=generator, dtype=torch.float64).sort().values
    layer = torch.bucketize(grid.axis(axis), edges)
    table = torch.tensor(
        [[uniform(generator, 0.5, 2.0), uniform(generator, 0.4, 1.0)] for _ in range(count)],
        dtype=torch.float64,
    )
    density, speed = table[layer].unbind(-1)
    one = grid.full(1.0)
    return one * density, one * speed


def draw_maze(generator: Generator, grid: Grid) -> Medium:
    """Return a maze of 5-8 rooms per axis, with walls of WALL_DENSITY and some extra openings.

    The outer border has no wall: what happens there is the boundary condition's part.
    """
    rooms = integer(generator, 5, 8)
    walls = _draw_lattice(generator, rooms=rooms, ndim=grid.ndim)
    for axis in range(grid.ndim):
        walls = walls.index_select(axis, _lattice_index(grid.axis(axis).flatten(), rooms=rooms))
    density = grid.full(1.0)
    density[walls] = WALL_DENSITY
    return density, grid.full(1.0)


def _lattice_index(position: Tensor, *, rooms: int) -> Tensor:
    """Map coordinates to rooms (even) and the walls between them (odd).

    Walls are two units of 1/WALL_UNITS thick and end on multiples of it, so that grids whose size
    is a multiple of WALL_UNITS hold them exactly: a wall that gains a cell closes the corridor.
    """
    lines = (torch.arange(1, rooms, dtype=torch.float64) * (WALL_UNITS / rooms)).round()
    edges = torch.stack([lines - 1, lines + 1], dim=1).flatten() / WALL_UNITS
    return torch.bucketize(position, edges)


def _draw_lattice(generator: Generator, *, rooms: int, ndim: int) -> Bool[Tensor, " *lattice"]:
    """Return which places of the (2 rooms - 1)^ndim lattice are wall.

    A random depth-first walk visits every room and opens the walls that it crosses; then every
    tenth of the remaining walls between two rooms is opened too, so that there are loops.
    """
    walls = torch.ones((2 * rooms - 1,) * ndim, dtype=torch.bool)
    stack = [(0,) * ndim]
    walls[stack[0]] = False
    while stack:
        around = [
            (door, room)
            for door, room in _neighbour_rooms(stack[-1], rooms=rooms)
            if bool(walls[room])
        ]
        if not around:
            stack.pop()
            continue
        door, room = around[integer(generator, 0, len(around) - 1)]
        walls[door] = walls[room] = False
        stack.append(room)
    for place in product(range(2 * rooms - 1), repeat=ndim):
        between_rooms = sum(index % 2 for index in place) == 1
        if between_rooms and uniform(generator, 0.0, 1.0) < 0.1:
            walls[place] = False
    return walls


def _neighbour_rooms(
    room: tuple[int, ...], *, rooms: int
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return (door, room behind it) for every neighbour on the lattice."""
    found = []
    for axis, step in product(range(len(room)), (-1, 1)):
        if 0 <= room[axis] + 2 * step <= 2 * rooms - 2:
            door, behind = (
                tuple(place + (axis == other) * far * step for other, place in enumerate(room))
                for far in (1, 2)
            )
            found.append((door, behind))
    return found


def draw_pulses(generator: Generator, grid: Grid, *, density: Float[Tensor, " *medium"]) -> Cells:
    """Return a pressure of 1-3 Gaussian pulses, amplitude 8-24, width 0.02-0.05.

    The equations are linear, so the amplitude is free: this one makes the fields of a trajectory
    about 1, as trainers need that do not normalise. The density may be given on another grid of
    the same domain.

    Centres keep four widths from a border that is not periodic (the pulse is below 4e-4 there)
    and avoid maze walls, which would keep most of the pulse inside them.
    """
    pressure = grid.full(0.0)
    for _ in range(integer(generator, 1, 3)):
        amplitude, width = uniform(generator, 8.0, 24.0), uniform(generator, 0.02, 0.05)
        margin = 0.0 if grid.periodic else 4.0 * width
        centre = _draw_centre(generator, margin=margin, density=density)
        pressure = pressure + amplitude * torch.exp(
            grid.squared_distance(centre) / (-2.0 * width**2)
        )
    return pressure


def _draw_centre(generator: Generator, *, margin: float, density: Cells) -> tuple[float, ...]:
    """Return a point outside of walls; after 100 tries any point (walls fill under half)."""
    centre: tuple[float, ...] = ()
    for _ in range(100):
        centre = tuple(uniform(generator, margin, 1.0 - margin) for _ in range(density.ndim))
        cell = tuple(math.floor(place * density.shape[0]) for place in centre)
        if float(density[cell]) < WALL_DENSITY:
            break
    return centre


MEDIA: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            Family(
                name="inclusions",
                summary="2-5 balls and boxes of sound speed 0.3-1",
                draw=draw_inclusions,
            ),
            Family(name="maze", summary=f"walls of density {WALL_DENSITY:g}", draw=draw_maze),
            Family(
                name="layers", summary="3-6 layers of density 0.5-2, speed 0.4-1", draw=draw_layers
            ),
            Family(name="uniform", summary="density and sound speed 1", draw=draw_uniform),
        )
    }
)
"""The families of media by name."""
