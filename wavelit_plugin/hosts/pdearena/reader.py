"""PDEArena's HDF5 files: of ``wavelit data make --host pdearena`` or of its own data sets.

A file is ``{name}_{split}...h5`` with the group ``{split}``. Its fields are u, vx, vy
(trajectory, frame, x, y), one of pde_* (trajectory, frame, x), or d_field, h_field (trajectory,
frame, x, y, z, component). Numbers of each trajectory, (trajectory,), that vary are inputs too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.data.readers import (
    GridData,
    Reader,
    boundary_of,
    check_finite,
    evolving,
    read_metadata,
)
from wavelit_plugin.errors import DataError, HostError
from wavelit_plugin.plugins.datasets import Trajectories

Held = Mapping[str, Tensor]

_FILE = re.compile(r"(?P<name>.+?)_(?P<split>train|valid|test)(?:_.*)?\.h5")
_SPLITS = ("train", "valid", "test")
_VECTORS = {"d_field": ("d_x", "d_y", "d_z"), "h_field": ("h_x", "h_y", "h_z")}
_SCALARS = ("u", "vx", "vy")


def names(folder: Path) -> tuple[str, ...]:
    """Return the names that have both training and test files."""
    train, test = (set(_files(folder, split)) for split in ("train", "test"))
    return tuple(sorted(train & test))


def read(folder: Path, name: str) -> GridData:
    """Read one data set: pairs of neighbouring frames.

    Raises:
        HostError: h5py is not installed.
        DataError: a file is damaged, holds something else, or too little.
    """
    place = folder / name
    held = {s: _split(folder, name, s) for s in _SPLITS if name in _files(folder, s)}
    varying = _varying(held["train"])
    _check_alike(held, place)
    parts = {
        split: _trajectories(part, varying, folder / f"{name}_{split}")
        for split, part in held.items()
    }
    return evolving(
        name=name,
        fields=_field_names(held["train"]),
        constants=(),
        parameters=varying,
        boundary=boundary_of(_metadata(folder, name), parts["test"].fields.ndim - 3),
        parts=parts,
        path=place,
    )


READER = Reader(
    name="pdearena",
    files="{name}_train_*.h5 with {name}_test_*.h5",
    names=names,
    read=read,
)


def _files(folder: Path, split: str) -> dict[str, list[Path]]:
    """Return the files of a split by the data set's name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.h5")):
        match = _FILE.fullmatch(path.name)
        if match and match["split"] == split:
            found.setdefault(match["name"], []).append(path)
    return found


def _split(folder: Path, name: str, split: str) -> Held:
    """Return the data sets of all files of a split, joined along the trajectories."""
    parts = [_read_file(path, split) for path in _files(folder, split)[name]]
    if any({k: v.shape[1:] for k, v in p.items()} != _shapes(parts[0]) for p in parts):
        raise DataError(
            f"the {split} files of {name} in {folder} differ in their data sets or sizes; keep "
            "each size in a folder of its own"
        )
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _shapes(held: Held) -> dict[str, torch.Size]:
    return {key: value.shape[1:] for key, value in held.items()}


def _read_file(path: Path, split: str) -> Held:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise HostError(
            f"{path.name} is read with h5py, which is not installed; install "
            "wavelit-plugin[pdearena]"
        ) from error
    try:
        with h5py.File(path) as file:
            group = file[split]
            held = {
                key: _numbers(part, path)
                for key, part in (group.items() if isinstance(group, h5py.Group) else ())
                if isinstance(part, h5py.Dataset) and (_is_field(key) or part.ndim == 1)
            }
    except (OSError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as PDEArena's {split} split ({error}); make or copy it again"
        ) from error
    return _checked(held, path)


def _numbers(part: Any, path: Path) -> Tensor:
    """Return the numbers of a data set; DataError where it holds something else."""
    if part.dtype.kind not in "fiub":
        raise DataError(f"{part.name} of {path} must hold real numbers, got {part.dtype}")
    return torch.as_tensor(part[()]).float()


def _checked(held: Held, path: Path) -> Held:
    """Return the fields and the numbers of each trajectory.

    Raises:
        DataError: there is no field, fields differ in shape, or NaN or infinity.
    """
    fields = {name: (key, part) for key in _field_keys(held) for name, part in _parts(key, held)}
    if not fields:
        raise DataError(
            f"{path} holds {', '.join(held) or 'nothing'}, expected u, vx and vy, or pde_*, or "
            "d_field and h_field; only these layouts of PDEArena are read"
        )
    shape = next(iter(fields.values()))[1].shape
    for name, (key, values) in fields.items():
        if values.shape != shape or values.ndim < 3 or not values.numel():
            raise DataError(
                f"{key} of {path} must be (trajectory, frame, *space), the same for all fields, "
                f"got {tuple(held[key].shape)}; make or copy it again"
            )
        check_finite(values, name, path, "trajectory", "frame")
    numbers = {k: v for k, v in held.items() if not _is_field(k) and len(v) == shape[0]}
    for key, values in numbers.items():
        check_finite(values, key, path, "trajectory")
    return {**{key: held[key] for key in _field_keys(held)}, **numbers}


def _is_field(key: str) -> bool:
    return key in _SCALARS or key in _VECTORS or key.startswith("pde_")


def _varying(held: Held) -> tuple[str, ...]:
    """Return the names of the numbers that differ between training trajectories."""
    numbers = ((key, value) for key, value in held.items() if not _is_field(key))
    return tuple(sorted(key for key, value in numbers if bool((value != value[0]).any())))


def _trajectories(held: Held, varying: Sequence[str], path: Path) -> Trajectories:
    fields = [part for key in _field_keys(held) for _, part in _parts(key, held)]
    stacked = torch.stack(fields, dim=2)
    count, space = len(stacked), stacked.shape[3:]
    missing = [key for key in varying if key not in held]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)} of its trajectories, which the training files "
            "have; make or copy it again"
        )
    numbers = [held[key] for key in varying]
    parameters = torch.stack(numbers, dim=1) if numbers else stacked.new_zeros(count, 0)
    return Trajectories(stacked, stacked.new_zeros(count, 0, *space), parameters)


def _field_keys(held: Held) -> list[str]:
    order = {key: place for place, key in enumerate((*_SCALARS, *_VECTORS))}
    return sorted(filter(_is_field, held), key=lambda key: (order.get(key, len(order)), key))


def _parts(key: str, held: Held) -> list[tuple[str, Tensor]]:
    """Return the names and the values of the fields of a data set; vectors have three."""
    values = held[key]
    if key not in _VECTORS:
        return [("u" if key.startswith("pde_") else key, values)]
    # another number of components is told with the shape
    fitting = values.ndim and values.shape[-1] == len(_VECTORS[key])
    parts = values.unbind(-1) if fitting else (values.new_zeros(0),) * len(_VECTORS[key])
    return list(zip(_VECTORS[key], parts, strict=True))


def _field_names(held: Held) -> tuple[str, ...]:
    return tuple(name for key in _field_keys(held) for name, _ in _parts(key, held))


def _metadata(folder: Path, name: str) -> dict[str, object]:
    """Return the metadata of the data set, whatever its size is."""
    found = [read_metadata(path) for path in sorted(folder.glob(f"{name}_*.json"))]
    return next((facts for facts in found if facts), {})


def _check_alike(held: Mapping[str, Held], path: Path) -> None:
    """Raise DataError unless all splits have the same fields on the same grid."""
    outlines = {
        split: f"{', '.join(_field_names(part))} on {tuple(_space(part))}"
        for split, part in held.items()
    }
    if len(set(outlines.values())) > 1:
        told = "; ".join(f"{split} has {outline}" for split, outline in outlines.items())
        raise DataError(f"the splits of {path} differ in fields or size: {told}")


def _space(held: Held) -> torch.Size:
    (_, values), *_ = _parts(_field_keys(held)[0], held)
    return values.shape[2:]
