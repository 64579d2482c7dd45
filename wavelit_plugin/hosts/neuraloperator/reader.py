"""Files of neuraloperator: ``{stem}_{split}_{size}.pt`` with x and y, of ours or of anybody's.

Where ``{stem}_test_{size}_trajectories.pt`` is beside them, as ``wavelit data make`` writes it,
the data are frames of trajectories; without it, x and y are two static quantities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from wavelit_plugin.data.readers import (
    GridData,
    Pairs,
    Reader,
    boundary_of,
    check_filled,
    check_finite,
    held_back,
    read_metadata,
)
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import load_tensors
from wavelit_plugin.plugins.datasets import Trajectories, with_parameters

_ADVICE = "make or copy it again"
_TRAIN = re.compile(r"(?P<stem>.+)_train_(?P<size>\d+)\.pt")


def names(folder: Path) -> tuple[str, ...]:
    """Return ``{stem}_{size}`` of every training file that has a test file."""
    found = (_TRAIN.fullmatch(path.name) for path in sorted(folder.glob("*_train_*.pt")))
    pairs = [(match["stem"], match["size"]) for match in found if match]
    return tuple(
        f"{stem}_{size}" for stem, size in pairs if (folder / f"{stem}_test_{size}.pt").is_file()
    )


def read(folder: Path, name: str) -> GridData:
    """Read one data set.

    The last fifth of the training trajectories, or samples, validate.

    Raises:
        DataError: a file is damaged, holds something else, or too little.
    """
    stem, _, size = name.rpartition("_")
    metadata = read_metadata(folder / f"{name}.json")
    train_path, test_path = (folder / f"{stem}_{split}_{size}.pt" for split in ("train", "test"))
    train, test = (_pairs(path, metadata, int(size)) for path in (train_path, test_path))
    if [part.shape[1:] for part in train] != [part.shape[1:] for part in test]:
        raise DataError(f"{train_path} and {test_path} differ in channels or size; check them")
    whole = folder / f"{stem}_test_{size}_trajectories.pt"
    held = _Trajectories(whole, metadata) if whole.is_file() else None
    fields, constants = _channels(train, metadata, held)
    for path, pairs in ((train_path, train), (test_path, test)):
        _check_channels_finite(pairs, (*fields, *constants), fields, path)
    train, valid = _split(train, 1 if held is None else held.samples, train_path)
    check_filled({"train": train, "valid": valid, "test": test}, folder / name)
    return GridData(
        name=name,
        fields=fields,
        constants=constants,
        parameters=() if held is None else held.parameters,
        boundary=boundary_of(metadata, train.x.ndim - 2),
        continues=held is not None,
        train=train,
        valid=valid,
        test=test,
        trajectories=None if held is None else held.trajectories(train),
    )


READER = Reader(
    name="neuraloperator",
    files="{stem}_train_{size}.pt with {stem}_test_{size}.pt",
    names=names,
    read=read,
)


class _Trajectories:
    """The file of whole test trajectories."""

    def __init__(self, path: Path, metadata: Mapping[str, Any]) -> None:
        self.path, self.held = path, load_tensors(path, advice=_ADVICE)
        missing = [k for k in ("fields", "constants", "field_names") if k not in self.held]
        if missing:
            raise DataError(f"{path} lacks {', '.join(missing)}; make the data again")
        layout = metadata.get("layout", {})
        self.fields: list[str] = list(layout.get("y_channels", self.held["field_names"]))
        self.whole = len(self.fields) == len(self.held["field_names"])

    @property
    def samples(self) -> int:
        """Pairs of a trajectory; training trajectories have as many frames."""
        return int(self.held["fields"].shape[1]) - 1

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the numbers of a trajectory; a layout of one field has none."""
        return tuple(self.held.get("parameter_names", ())) if self.whole else ()

    @property
    def constants(self) -> list[str]:
        """Names of the inputs that do not change; a layout of one field has none."""
        names = [*self.held.get("constant_names", ()), *self.parameters]
        return names if self.whole else []

    def trajectories(self, train: Pairs) -> Trajectories:
        """Return them with the channels that the pairs have; DataError where that is impossible."""
        chosen = [self.held["field_names"].index(name) for name in self.fields]
        fields, constants = self.held["fields"][:, :, chosen].float(), self.held["constants"]
        parameters = self.held.get("parameters", constants.new_zeros(len(constants), 0))
        fixed = with_parameters(constants, parameters) if self.whole else constants[:, :0]
        channels = (fields.shape[2] + fixed.shape[1], fields.shape[2])
        if channels != (train.x.shape[1], train.y.shape[1]):
            raise DataError(
                f"{self.path} gives {channels[0]} input and {channels[1]} output channels, the "
                f"training file {train.x.shape[1]} and {train.y.shape[1]}; make the data again"
            )
        for number, name in enumerate(self.fields):
            check_finite(fields[:, :, number], name, self.path, "trajectory", "frame")
        for number, name in enumerate(self.constants):
            check_finite(fixed[:, number], name, self.path, "trajectory")
        return Trajectories(fields, fixed.float(), parameters[:, :0])


def _pairs(path: Path, metadata: Mapping[str, Any], size: int) -> Pairs:
    held = load_tensors(path, advice=_ADVICE)
    for key in ("x", "y"):
        if not isinstance(held.get(key), Tensor) or held[key].ndim < 2:
            raise DataError(f"{path} must hold the tensors x and y, (sample, channel, *space)")
        if held[key].is_complex():
            raise DataError(f"{path} holds complex numbers; give their parts as two channels")
    squeezed = metadata.get("layout", {}).get("channels_squeezed")
    x, y = (_with_channel(held[key], squeezed, size) for key in ("x", "y"))
    if len(x) != len(y) or x.shape[2:] != y.shape[2:]:
        raise DataError(f"x {tuple(x.shape)} and y {tuple(y.shape)} of {path} do not go together")
    return Pairs(x, y)


def _with_channel(u: Tensor, squeezed: bool | None, size: int) -> Tensor:
    """Add the channel axis that the host's own data sets leave out."""
    if squeezed is None:
        squeezed = all(points == size for points in u.shape[1:])
    return (u[:, None] if squeezed else u).float()


def _split(pairs: Pairs, each: int, path: Path) -> tuple[Pairs, Pairs]:
    """Cut off what validates, in whole trajectories of ``each`` samples."""
    if len(pairs.x) % each:
        raise DataError(
            f"{path} holds {len(pairs.x)} samples, no whole number of trajectories of {each}; "
            "give training trajectories as many frames as the test's"
        )
    count = len(pairs.x) // each
    what = "samples" if each == 1 else "trajectories"
    start = (count - held_back(count, what=what, path=path)) * each
    return Pairs(*(part[:start] for part in pairs)), Pairs(*(part[start:] for part in pairs))


def _channels(
    train: Pairs, metadata: Mapping[str, Any], held: _Trajectories | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the outputs and of the inputs that are no outputs."""
    if held is not None:
        return tuple(held.fields), tuple(held.constants)
    layout = metadata.get("layout", {})
    inputs = layout.get("x_channels", _numbered("x", train.x.shape[1]))
    return tuple(layout.get("y_channels", _numbered("y", train.y.shape[1]))), tuple(inputs)


def _check_channels_finite(
    pairs: Pairs, inputs: tuple[str, ...], outputs: tuple[str, ...], path: Path
) -> None:
    """Raise DataError where channels have no names, or hold NaN or infinity."""
    for part, values, names in (("x", pairs.x, inputs), ("y", pairs.y, outputs)):
        # static data name the inputs alone constants
        known = names[-values.shape[1] :]
        if len(known) != values.shape[1]:
            raise DataError(
                f"{path} has {values.shape[1]} channels in {part}, and {len(names)} are described "
                f"beside it ({', '.join(names)}); make the data again"
            )
        for name, channel in zip(known, values.unbind(1), strict=True):
            check_finite(channel, f"{name} in {part}", path, "sample")


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}{number}" for number in range(count)]
