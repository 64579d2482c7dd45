"""Readers of training data on grids; a new format is one more file and one more record."""

from __future__ import annotations

from pathlib import Path

from wavelit_plugin.data.readers.base import GridData, Pairs, Reader
from wavelit_plugin.data.readers.neuraloperator import NEURALOPERATOR
from wavelit_plugin.data.readers.pdearena_hdf5 import PDEARENA_HDF5
from wavelit_plugin.data.readers.the_well import THE_WELL
from wavelit_plugin.errors import DataError, unknown_name
from wavelit_plugin.files import content_errors, disk_errors

__all__ = ["READERS", "GridData", "Pairs", "Reader", "read_grid_data"]

READERS: tuple[Reader, ...] = (NEURALOPERATOR, PDEARENA_HDF5, THE_WELL)
"""The readers, in the order in which they are asked."""


def read_grid_data(path: Path) -> GridData:
    """Read the data set of a folder; ``FOLDER/NAME`` chooses where a folder holds several.

    Raises:
        DataError: the folder does not exist, or holds no data set or several.
        ConfigError: it holds none of that name; the nearest is shown.
    """
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    readers = READERS if folder.is_dir() else ()
    found = {name: reader for reader in readers for name in reader.names(folder)}
    if wanted is not None and not found:
        what = "is a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}; give a folder of data, or FOLDER/NAME of one in it")
    if wanted is not None and found and wanted not in found:
        raise unknown_name(f"data set in {folder}", wanted, found)
    chosen = [wanted] if wanted in found else list(found)
    if len(chosen) != 1:
        raise DataError(_no_choice(folder, chosen))
    (name,) = chosen
    with disk_errors(folder / name), content_errors(folder / name, "make or copy the data again"):
        return found[name].read(folder, name)


def _no_choice(folder: Path, names: list[str]) -> str:
    if names:
        choices = " or ".join(str(folder / name) for name in names)
        return f"{folder} holds {len(names)} data sets; give {choices}"
    return (
        f"{folder} holds no pairs of training and test files that can be read; expected "
        "{stem}_train_{size}.pt with {stem}_test_{size}.pt (neuraloperator), "
        "{name}_train_*.h5 with {name}_test_*.h5 (PDEArena), or {name}/data/train/*.hdf5 with "
        "{name}/data/test/*.hdf5 (The Well)"
    )
