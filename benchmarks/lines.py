"""A file of JSON lines that survives a kill: what was cut off in writing is dropped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavelit_plugin.files import content_errors, disk_errors

Line = dict[str, Any]


def read_lines(path: Path) -> tuple[Line, ...]:
    """Return the finished lines; a last one that has no line end was cut off and is left out.

    Raises:
        DataError: a finished line is no JSON object.
    """
    if not path.exists():
        return ()
    with disk_errors(path):
        finished = path.read_bytes().split(b"\n")[:-1]
    with content_errors(path, "mend or delete the line and start again"):
        return tuple(dict(json.loads(line)) for line in finished)


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Append one line and wait until it is on the disk; numbers must be finite.

    What an earlier, killed process left unfinished is cut off first.
    """
    text = json.dumps(line, allow_nan=False, separators=(",", ":"))
    with disk_errors(path), path.open("ab+") as file:
        file.truncate(path.read_bytes().rfind(b"\n") + 1)
        file.write(f"{text}\n".encode())
        file.flush()
        os.fsync(file.fileno())
