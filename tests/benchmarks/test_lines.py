"""Files of JSON lines: what a kill or a full disk leaves, and what is damaged."""

import errno
import math
import os
from pathlib import Path

import pytest

from benchmarks.lines import append_line, read_lines
from wavelit_plugin.errors import DataError


@pytest.mark.parametrize("kept", [0, 1, 17, -1])
def test_a_line_that_was_cut_off_is_dropped_and_the_next_one_is_whole(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "runs.jsonl"
    append_line(path, {"number": 1})
    whole = path.read_bytes()
    append_line(path, {"number": 2, "text": "long enough to be cut"})
    cut = path.read_bytes()[len(whole) :][:kept]
    path.write_bytes(whole + cut)
    assert read_lines(path) == ({"number": 1},)
    append_line(path, {"number": 3})
    assert read_lines(path) == ({"number": 1}, {"number": 3})


def test_a_full_disk_is_one_error_and_what_is_finished_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.jsonl"
    append_line(path, {"n": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device; free some room"):
            append_line(path, {"n": 2})
    path.write_bytes(path.read_bytes()[:-3])  # what of the line the disk did not take
    assert read_lines(path) == ({"n": 1},)
    append_line(path, {"n": 3})
    assert read_lines(path) == ({"n": 1}, {"n": 3})


@pytest.mark.parametrize("content", ['{"a": 1}\n{"a":\n[3]\n', "[3]\n"])
def test_a_damaged_line_is_one_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"runs\.jsonl holds something else .*; mend or delete"):
        read_lines(path)


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_line(tmp_path / "runs.jsonl", {"error": math.nan})
