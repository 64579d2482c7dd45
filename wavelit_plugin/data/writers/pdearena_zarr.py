"""The Zarr layout of PDEArena's shallow-water tasks, appended chunk by chunk."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from wavelit_plugin.data.periodic import wave_numbers
from wavelit_plugin.data.records import Trajectories
from wavelit_plugin.data.statistics import measure
from wavelit_plugin.data.store import save_tensors
from wavelit_plugin.data.writers.base import Source
from wavelit_plugin.data.writers.pdearena_hdf5 import field_of

NORMS = "normstats.pt"


def vorticity(
    velocity_x: Float[Tensor, "*batch x y"], velocity_y: Float[Tensor, "*batch x y"]
) -> Float[Tensor, "*batch x y"]:
    """Return d_x v_y - d_y v_x on the periodic square of edge 1, by Fourier series.

    >>> float(vorticity(torch.ones(8, 8), torch.ones(8, 8)).abs().max())
    0.0
    """
    size = velocity_x.shape[-1]
    k_x, k_y = (2j * torch.pi * k for k in wave_numbers(size, ndim=2))
    # the derivative of the highest wave of an even grid is not determined by its values
    odd = [(k.abs() * 2 < size).to(torch.float64) for k in wave_numbers(size, ndim=2)]
    spectrum_x, spectrum_y = (torch.fft.rfft2(v.double()) for v in (velocity_x, velocity_y))
    turn = k_x * odd[0] * spectrum_y - k_y * odd[1] * spectrum_x
    return torch.fft.irfft2(turn, s=(size, size)).to(velocity_x)


def write_split(source: Source, split: str, path: Path) -> None:
    """Write pres, u, v and vor of a split; u is the velocity along the last axis, x."""
    import xarray

    for number, chunk in enumerate(source.chunks(split)):
        pressure, velocity_x, velocity_y, spin = _parts(source, chunk)
        data = xarray.Dataset(
            {
                "pres": _variable(pressure),
                "u": _variable(velocity_x[:, :, None]),
                "v": _variable(velocity_y[:, :, None]),
                "vor": _variable(spin[:, :, None]),
            }
        )
        if number == 0:
            encoding = {name: {"chunks": (1, *held.shape[1:])} for name, held in data.items()}
            # format 2 is what every release of zarr reads
            data.to_zarr(path, mode="w", zarr_format=2, encoding=encoding)
        else:
            data.to_zarr(path, append_dim="b")


def write_norms(source: Source, folder: Path) -> None:
    """Write the mean and std of pres and vor over the training split."""
    statistics = measure(
        chunk._replace(fields=torch.stack([parts[0], parts[3]], dim=2))
        for chunk in source.chunks("train")
        for parts in [_parts(source, chunk)]
    )
    norms: dict[str, object] = {
        name: {
            "mean": torch.tensor(statistics.mean[index]),
            "std": torch.tensor(statistics.std[index]),
        }
        for index, name in enumerate(("pres", "vor"))
    }
    save_tensors(norms, folder / NORMS)


def _parts(
    source: Source, chunk: Trajectories
) -> tuple[
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
    Float[Tensor, "batch frame x y"],
]:
    """Return pressure, both velocities and the vorticity."""
    problem = source.problem
    names = (*problem.scalars, *problem.vectors[0])
    pressure, velocity_x, velocity_y = (field_of(problem, chunk, name) for name in names)
    return pressure, velocity_x, velocity_y, vorticity(velocity_x, velocity_y)


def _variable(values: Tensor) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return names of the axes and values with x last, as on a globe: longitude after latitude."""
    axes = ("b", "t", "y", "x") if values.ndim == 4 else ("b", "t", "c", "y", "x")
    return axes, np.ascontiguousarray(values.transpose(-1, -2).numpy(), dtype=np.float32)
