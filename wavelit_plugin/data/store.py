"""Finished chunks on disk, and files that appear complete or not at all.

A run works in a hidden folder inside the target folder, named by the request's key. Chunks are
saved there as they are finished, so a killed run goes on where it was. Once every data file is
written there too, a marker says that they may be moved to their final names; the metadata
file is moved last, so a folder with it is complete.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from wavelit_plugin.errors import DataError
from wavelit_plugin.files import disk_errors, load_tensors, make_folder, save_tensors
from wavelit_plugin.plugins.datasets import Trajectories

_MARKER = "publishing"


class Workshop:
    """The hidden folder of one request.

    Args:
        out: the target folder.
        key: the request's key.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.out = out
        self.folder = out / f".wavelit-{key}"
        self.files = self.folder / "files"

    def open(self) -> None:
        """Make the folders that are missing."""
        make_folder(self.files)

    @property
    def publishing(self) -> bool:
        """Whether an earlier run was stopped while it moved the finished files."""
        return (self.folder / _MARKER).exists()

    def shard(self, split: str, indices: range) -> Path:
        """Return where the chunk of these trajectories is kept."""
        return self.folder / f"{split}_{indices.start:06d}_{indices.stop:06d}.pt"

    def save(self, split: str, indices: range, chunk: Trajectories) -> None:
        """Save a chunk; it appears under its name only when it is complete."""
        content = {name: part.cpu() for name, part in chunk._asdict().items()}
        save_tensors(content, self.shard(split, indices))

    def load(self, split: str, indices: range) -> Trajectories:
        """Load a chunk; DataError when the file is damaged."""
        path, advice = self.shard(split, indices), "delete it and start again"
        held = load_tensors(path, advice=advice)
        if held.keys() != set(Trajectories._fields):
            raise DataError(f"{path} holds something else than trajectories; {advice}")
        return Trajectories(**held)

    def publish(self, names: Sequence[str], metadata: str) -> None:
        """Move the files to their final names, ``metadata`` last, and remove the folder."""
        with disk_errors(self.out):
            self._move(names, metadata)
        self.remove()

    def remove(self) -> None:
        """Remove the hidden folder, if there is one."""
        with disk_errors(self.folder):
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def _move(self, names: Sequence[str], metadata: str) -> None:
        (self.folder / _MARKER).touch()
        if (self.files / metadata).exists():
            # an older metadata file would vouch for files that are being replaced
            (self.out / metadata).unlink(missing_ok=True)
        for name in (*names, metadata):
            # what an earlier, stopped run moved is not here any more
            if (self.files / name).exists():
                self._replace(name)

    def _replace(self, name: str) -> None:
        """Move a finished file or folder to its final name."""
        made, final = self.files / name, self.out / name
        if final.is_dir() or (final.exists() and made.is_dir()):
            # a folder cannot be replaced in one step: what was there waits for ``remove``
            aside = self.folder / f"replaced-{uuid4().hex}"
            final.replace(aside)
        made.replace(final)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents below a folder, in hexadecimal."""
    state = hashlib.sha256()
    for part in _parts(path):
        if part != path:
            name = os.fsencode(part.relative_to(path).as_posix())
            state.update(b"%d %s %d " % (len(name), name, part.stat().st_size))
        with part.open("rb") as stream:
            while block := stream.read(2**20):
                state.update(block)
    return state.hexdigest()


def size_in_bytes(path: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    return sum(part.stat().st_size for part in _parts(path))


def _parts(path: Path) -> list[Path]:
    """Return the files below a folder in a fixed order, or the file itself."""
    if not path.is_dir():
        return [path]
    files = [part for part in path.rglob("*") if part.is_file()]
    return sorted(files, key=lambda part: part.relative_to(path).as_posix())


def check_target(out: Path, names: Sequence[str]) -> None:
    """Raise DataError when a file or folder of one of these names exists in ``out``."""
    taken = [name for name in names if (out / name).exists()]
    if taken:
        raise DataError(
            f"{out} already holds {', '.join(taken)}, not from this request; use another folder "
            f"or overwrite"
        )
