"""The HDF5 layouts of PDEArena, filled chunk by chunk."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wavelit_plugin.data.records import Problem, Trajectories
from wavelit_plugin.data.writers.base import Source

Parts = Mapping[str, Tensor]
"""Data sets by name, the trajectory on axis 0."""


def write_flow(source: Source, split: str, path: Path) -> None:
    """Write u, vx, vy, the coordinates, and buo_y where the problem has it."""
    problem, setup = source.problem, source.setup
    names = (*problem.scalars, *problem.vectors[0])
    points = torch.arange(setup.size) / setup.size
    times = torch.arange(setup.frames) * setup.interval

    def parts(chunk: Trajectories) -> Parts:
        batch = len(chunk.fields)
        held = {
            name: field_of(problem, chunk, field)
            for name, field in zip(("u", "vx", "vy"), names, strict=True)
        }
        axes = {"t": times, "x": points, "y": points}
        held.update({name: axis.expand(batch, -1) for name, axis in axes.items()})
        return {**held, **_parameters(problem, chunk)}

    _fill(path, split, source.counts[split], (parts(chunk) for chunk in source.chunks(split)))


def write_chaos(source: Source, split: str, path: Path) -> None:
    """Write the field as pde_{frames}-{size}, and the parameters."""
    problem, setup = source.problem, source.setup
    name = f"pde_{setup.frames}-{setup.size}"
    parts = (
        {name: chunk.fields[:, :, 0], **_parameters(problem, chunk)}
        for chunk in source.chunks(split)
    )
    _fill(path, split, source.counts[split], parts)


def write_maxwell(source: Source, split: str, path: Path) -> None:
    """Write the two vectors with their components on the last axis."""
    problem = source.problem
    parts = (
        {
            name: torch.stack([field_of(problem, chunk, field) for field in vector], dim=-1)
            for name, vector in zip(("d_field", "h_field"), problem.vectors, strict=True)
        }
        for chunk in source.chunks(split)
    )
    _fill(path, split, source.counts[split], parts)


def field_of(
    problem: Problem, chunk: Trajectories, name: str
) -> Float[Tensor, "batch frame *space"]:
    """Return one field of all frames."""
    return chunk.fields[:, :, problem.fields.index(name)]


def _parameters(problem: Problem, chunk: Trajectories) -> Parts:
    return dict(zip(problem.parameters, chunk.parameters.unbind(dim=1), strict=True))


def _fill(path: Path, split: str, count: int, chunks: Iterator[Parts]) -> None:
    """Write data sets of ``count`` trajectories into the group ``split`` of a new file."""
    import h5py

    start = 0
    with h5py.File(path, "w") as file:
        group = file.create_group(split)
        for parts in chunks:
            stop = start
            for name, values in parts.items():
                shape = (count, *values.shape[1:])
                held = group.require_dataset(name, shape, dtype=np.float32, exact=True)
                stop = start + len(values)
                held[start:stop] = values.numpy().astype(np.float32)
            start = stop
