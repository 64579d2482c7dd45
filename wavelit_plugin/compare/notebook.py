"""A file of JSON lines that survives a kill: what was cut off in writing is dropped."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat

from wavelit_plugin.errors import DataError
from wavelit_plugin.files import disk_errors, write_file

Line = dict[str, Any]


def finite(value: SupportsFloat) -> float | None:
    """Return a number as JSON can have it: None where it is infinite or NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def read_lines(path: Path) -> tuple[Line, ...]:
    """Return the finished lines; a last one that has no line end was cut off and is left out.

    Raises:
        DataError: a finished line is no JSON object.
    """
    if not path.exists():
        return ()
    with disk_errors(path):
        finished = path.read_bytes().split(b"\n")[:-1]
    return tuple(_parsed(path, number, line) for number, line in enumerate(finished, start=1))


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append one line and wait until it is on the disk; numbers must be finite.

    What an earlier, killed process left unfinished is cut off first.
    """
    text = json.dumps(line, allow_nan=False, separators=(",", ":"))
    with disk_errors(path), path.open("ab+") as file:
        file.truncate(_end_of_finished(path))
        file.write(f"{text}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_file(path, f"{json.dumps(content, indent=2, allow_nan=False)}\n")


def read_whole(path: Path) -> Line:
    """Return the object of a JSON file; DataError when it holds something else."""
    with disk_errors(path):
        return _parsed(path, 1, path.read_bytes())


def _end_of_finished(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _parsed(path: Path, number: int, text: bytes) -> Line:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{path} is damaged at line {number} ({error}); delete the file and start again"
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold JSON objects, line {number} is {type(content).__name__}")
    return content
