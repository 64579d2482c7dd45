"""Files: whole or not at all, one process at a time, and errors that say what to do."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import (
    disk_errors,
    lock_if_free,
    locked,
    make_folder,
    read_json,
    whole,
    write_file,
    write_json,
)

HOLD = """
import sys
from pathlib import Path
from wavelit_plugin.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

COUNT = """
import sys
from pathlib import Path
from wavelit_plugin.files import lock_if_free
path = Path(sys.argv[1]) / "count"
for _ in range(100):
    with lock_if_free(path.parent, ".lock", wait=True):
        path.write_text(str(int(path.read_text()) + 1))
"""


def lock(folder: Path, name: str = ".lock") -> None:
    with locked(folder, name):
        assert (folder / name).exists()


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("before")
    with whole(path) as draft:
        draft.write_text("after")
        assert path.read_text() == "before"
        assert (draft.parent, draft.suffix) == (path.parent, path.suffix)
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "after"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("mine"), DataError("ours")])
def test_what_interrupts_leaves_what_was_there(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_text("before")

    def interrupted() -> None:
        with whole(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
    assert path.read_text() == "before"


def test_the_disk_itself_says_that_it_is_full() -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full")

    def fill() -> None:
        with disk_errors(Path("out")), Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    with pytest.raises(DataError, match="cannot use out: No space left on device; free some room"):
        fill()


def test_a_file_is_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match="there is a file where a folder is wanted"):
            make_folder(path)
        with pytest.raises(DataError, match="there is a file where a folder is wanted"):
            lock(path)


def test_a_folder_is_in_the_way_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is a folder where a file is wanted"):
        write_file(tmp_path, "text")


def test_names_that_are_no_text_are_written_as_they_are(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    assert write_file(tmp_path / "page", f"wrote {name} ±").read_bytes() == (
        b"wrote caf\xe9 \xc2\xb1"
    )


def test_another_process_is_kept_out_until_the_first_ends_however_it_does(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=r"another process is writing to .*; wait until it"):
            lock(tmp_path)
        lock(tmp_path, ".other")
        holder.kill()
    lock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_a_lock_has_it_alone(tmp_path: Path) -> None:
    """A counter that four processes increase a hundred times each, unprotected but for the lock."""
    (tmp_path / "count").write_text("0")
    counting = [subprocess.Popen([sys.executable, "-c", COUNT, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=100) for process in counting] == [0] * 4
    assert (tmp_path / "count").read_text() == "400"


def test_a_lock_that_is_free_or_not_is_said_and_not_raised(tmp_path: Path) -> None:
    with lock_if_free(tmp_path, "run.lock") as first:
        with lock_if_free(tmp_path, "run.lock") as second:
            assert (first, second) == (True, False)
        with lock_if_free(tmp_path, "other.lock") as third:
            assert third
    assert list(tmp_path.iterdir()) == []


def test_json_is_read_as_it_was_written_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    content = {"third": 1 / 3, "none": None, "text": "±"}
    assert read_json(write_json(path, content)) == content
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"error": float("nan")})
    assert read_json(path) == content
    for damaged in (b"", b'{"third": 0.3', b"[3]", b"\xff"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"plan\.json holds something else .*; delete the file"):
            read_json(path)


def test_an_error_of_who_holds_it_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine"), locked(tmp_path):
        raise OSError(errno.EIO, "mine")
    lock(tmp_path)
