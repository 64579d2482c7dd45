"""Files and folders: written whole or not at all, by one process at a time, errors in one line."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, SupportsFloat

from wavelit_plugin.errors import ConfigError, DataError, WavelitError

_ADVICE = {
    errno.EEXIST: "there is a file where a folder is wanted, use another path",
    errno.ENOTDIR: "there is a file where a folder is wanted, use another path",
    errno.EISDIR: "there is a folder where a file is wanted, use another path",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOSPC: "free some room, or use another disk",
    errno.EDQUOT: "free some room, or use another disk",
    errno.EACCES: "use a place that you may read and write",
    errno.EPERM: "use a place that you may read and write",
    errno.EROFS: "use a place that can be written",
}


def disk_error(place: Path, error: OSError) -> DataError:
    """Return the DataError that says where, what, and what to do.

    >>> str(disk_error(Path("out"), OSError(errno.ENOSPC, "No space left on device")))
    'cannot use out: No space left on device; free some room, or use another disk'
    """
    advice = _ADVICE.get(error.errno or 0, "use another place")
    return DataError(f"cannot use {place}: {error.strerror or error}; {advice}")


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's errors in the block into a DataError that names the place."""
    try:
        yield
    except OSError as error:
        raise disk_error(place, error) from error


@contextmanager
def content_errors(path: Path, advice: str) -> Iterator[None]:
    """Turn what the block raises about the content of a file into a DataError that names it.

    For files that others wrote: whatever is in them, and wherever it is noticed.
    """
    try:
        yield
    except WavelitError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split("\n")[0].split())
        raise DataError(f"{path} holds something else than it should ({told}); {advice}") from error


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield where to write what is to be at ``path``: it appears there complete or not at all.

    What was there stays until then. The draft is in the same folder, of this process alone, and
    has the ending of ``path``.

    Raises:
        DataError: the disk does not take it.
    """
    # with a dot inside, since torch.save takes what is before the last one for a name; with the
    # machine's name, since several may write to one disk by processes of one number
    draft = path.with_name(f".partial-{platform.node()}-{os.getpid()}.{path.name}")
    with disk_errors(path):
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file as ``whole`` does, text in UTF-8; return the path."""
    if isinstance(content, str):  # commands may hold names of files that are no text
        content = content.encode(errors="surrogateescape")
    with whole(path) as draft:
        draft.write_bytes(content)
    return path


def finite(value: SupportsFloat) -> float | None:
    """Return a number as JSON can have it: None where it is infinite or NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a JSON file as ``whole`` does; numbers must be finite. Return the path."""
    return write_file(path, f"{json.dumps(content, indent=2, allow_nan=False)}\n")


def read_json(path: Path, advice: str = "delete the file and start again") -> dict[str, Any]:
    """Return the object of a JSON file; DataError, with the advice, when it holds something else.

    Raises:
        DataError: it cannot be read, or holds no JSON object.
    """
    with disk_errors(path):
        text = path.read_bytes()
    with content_errors(path, advice):
        content = json.loads(text)
        if not isinstance(content, dict):
            raise TypeError(f"no JSON object but {type(content).__name__}")
        return content


def make_folder(path: Path) -> None:
    """Make a folder and those that it is in, where they are missing; DataError if it cannot be."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)


def memory() -> int:
    """Return the bytes of this machine's memory; far too many where they cannot be told."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


@contextmanager
def locked(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold a lock in a folder, which is made when missing; the lock goes with the process.

    Args:
        folder: what is written to.
        name: of the lock; who holds another one may write there at the same time.

    Raises:
        ConfigError: another process holds it.
        DataError: the folder cannot be made, or nothing can be locked in it.
    """
    with lock_if_free(folder, name) as mine:
        if not mine:
            raise ConfigError(
                f"another process is writing to {folder}; wait until it ends, or use another folder"
            )
        yield


@contextmanager
def lock_if_free(folder: Path, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock as ``locked`` does and yield True, or False where another process holds it.

    Args:
        folder: what is written to.
        name: of the lock.
        wait: until it is free. Its file then stays: who waits for a file that is removed would
            hold another lock than who comes later.

    Raises:
        DataError: as ``locked``.
    """
    from filelock import FileLock, Timeout  # not above: who reads a model needs none of it

    make_folder(folder)
    lock = FileLock(folder / name, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        pass
    except OSError as error:
        raise disk_error(folder, error) from error
    except NotImplementedError as error:  # earlier versions, on a disk that has no locks
        raise DataError(f"nothing can be locked in {folder}; use another disk") from error
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            with suppress(OSError):  # Windows removes no open file
                if not wait:
                    (folder / name).unlink()
            lock.release()


def save_tensors(content: dict[str, object], path: Path) -> None:
    """Save a dictionary that ``torch.load(weights_only=True)`` reads, whole or not at all.

    Raises:
        DataError: the disk does not take it (torch reports this as a RuntimeError).
    """
    import torch

    try:
        with whole(path) as draft, draft.open("wb") as file:
            torch.save(content, file)  # given a name, it would be in the bytes
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"cannot write {path} ({reason}); free some room on the disk") from error


def load_tensors(path: Path, *, advice: str) -> dict[str, Any]:
    """Return the dictionary in a file of torch, on the CPU; nothing in it is run.

    Raises:
        DataError: it cannot be read, is damaged, holds objects that only running code could make,
            or no dictionary; ``advice`` says what to do.
    """
    import torch

    try:
        with disk_errors(path):
            held = torch.load(path, weights_only=True, map_location="cpu")
    except DataError:
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path} cannot be read without running code in it, or is damaged ({reason}); {advice}"
        ) from error
    if not isinstance(held, dict):
        raise DataError(
            f"{path} must hold a dictionary of tensors, got {type(held).__name__}; {advice}"
        )
    return held
