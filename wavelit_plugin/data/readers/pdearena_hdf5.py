"""PDEArena's HDF5 files: of ``wavelit data make --host pdearena`` or of its own data sets.

A file is ``{name}_{split}...h5`` with the group ``{split}``. Its fields are u, vx, vy
(trajectory, frame, x, y), one of pde_* (trajectory, frame, x), or d_field, h_field (trajectory,
frame, x, y, z, component). Numbers of each trajectory, (trajectory,), that vary are inputs too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from wavelit_plugin.data.readers.base import (
    GridData,
    Pairs,
    Reader,
    boundary_of,
    check_finite,
    continued,
    held_back,
    read_metadata,
)
from wavelit_plugin.data.records import Trajectories, with_parameters
from wavelit_plugin.errors import DataError, HostError

Held = Mapping[str, Tensor]

_FILE = re.compile(r"(?P<name>.+?)_(?P<split>train|valid|test)(?:_.*)?\.h5")
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
    train = _split(folder, name, "train")
    varying = _varying(train)
    parts = {"train": _trajectories(train, varying)}
    for split in ("valid", "test"):
        if name in _files(folder, split):
            parts[split] = _trajectories(_split(folder, name, split), varying)
    if "valid" not in parts:
        count = len(parts["train"].fields)
        start = count - held_back(count, what="trajectories", path=folder / name)
        parts["valid"] = Trajectories(*(part[start:] for part in parts["train"]))
        parts["train"] = Trajectories(*(part[:start] for part in parts["train"]))
    pairs = {split: continued(part) for split, part in parts.items()}
    _check_alike(pairs, folder / name)
    test = parts["test"]
    return GridData(
        name=name,
        fields=_field_names(train),
        constants=varying,
        boundary=boundary_of(_metadata(folder, name), test.fields.ndim - 3),
        continues=True,
        train=pairs["train"],
        valid=pairs["valid"],
        test=pairs["test"],
        trajectories=Trajectories(
            test.fields,
            with_parameters(test.constants, test.parameters),
            test.parameters[:, :0],
        ),
    )


PDEARENA_HDF5 = Reader(name="pdearena_hdf5", names=names, read=read)


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
            return {
                key: torch.from_numpy(held[:]).float()
                for key, held in file[split].items()
                if _is_field(key) or held.ndim == 1
            }
    except (OSError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as PDEArena's {split} split ({error}); make or copy it again"
        ) from error


def _is_field(key: str) -> bool:
    return key in _SCALARS or key in _VECTORS or key.startswith("pde_")


def _varying(held: Held) -> tuple[str, ...]:
    """Return the names of the numbers that differ between training trajectories."""
    numbers = ((key, value) for key, value in held.items() if value.ndim == 1)
    return tuple(sorted(key for key, value in numbers if bool((value != value[0]).any())))


def _trajectories(held: Held, varying: Sequence[str]) -> Trajectories:
    fields = [part for key in _field_keys(held) for part in _components(key, held[key])]
    if not fields:
        raise DataError(
            f"expected u, vx and vy, or pde_*, or d_field and h_field, got {', '.join(held)}; "
            "only these layouts of PDEArena are read"
        )
    stacked = torch.stack(fields, dim=2)
    count, space = len(stacked), stacked.shape[3:]
    numbers = [held[key] for key in varying]
    parameters = torch.stack(numbers, dim=1) if numbers else stacked.new_zeros(count, 0)
    return Trajectories(stacked, stacked.new_zeros(count, 0, *space), parameters)


def _field_keys(held: Held) -> list[str]:
    order = {key: place for place, key in enumerate((*_SCALARS, *_VECTORS))}
    return sorted(filter(_is_field, held), key=lambda key: (order.get(key, len(order)), key))


def _components(key: str, values: Tensor) -> tuple[Tensor, ...]:
    return values.unbind(-1) if key in _VECTORS else (values,)


def _field_names(held: Held) -> tuple[str, ...]:
    keys = _field_keys(held)
    return tuple(
        name
        for key in keys
        for name in _VECTORS.get(key, ("u",) if key.startswith("pde_") else (key,))
    )


def _metadata(folder: Path, name: str) -> dict[str, object]:
    """Return the metadata of the data set, whatever its size is."""
    found = [read_metadata(path) for path in sorted(folder.glob(f"{name}_*.json"))]
    return next((facts for facts in found if facts), {})


def _check_alike(pairs: Mapping[str, Pairs], path: Path) -> None:
    shapes = {part.x.shape[1:] for part in pairs.values()}
    if len(shapes) > 1:
        raise DataError(f"the splits of {path} differ in channels or size: {sorted(shapes)}")
    for split, part in pairs.items():
        check_finite(split, part, path)
