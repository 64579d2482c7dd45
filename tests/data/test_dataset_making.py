"""Data sets on disk: what is written, resumed, refused and left alone."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import filelock
import pytest
import torch

from wavelit_plugin.data import (
    DataReport,
    DataRequest,
    Problem,
    Setup,
    Trajectories,
    make,
    make_dataset,
    simulate_dataset,
    simulation,
)
from wavelit_plugin.data.store import Workshop, digest
from wavelit_plugin.errors import ConfigError, DataError

NAMES = ("acoustics_train_16.pt", "acoustics_test_16.pt", "acoustics_test_16_trajectories.pt")


def request(out: Path, **changes: object) -> DataRequest:
    values: dict[str, object] = {"size": 16, "trajectories": 5, "frames": 3, "seed": 4}
    return DataRequest(out=out, **{**values, **changes})  # type: ignore[arg-type]


def hashes(out: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in sorted(out.iterdir()) if path.is_file()}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trajectories of 32^2 fine cells a chunk."""
    monkeypatch.setattr(simulation, "CELLS_PER_CHUNK", 2 * 32**2)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, range]]:
    """The chunks that were simulated, as they are."""
    calls: list[tuple[str, range]] = []
    original = simulation.simulate_chunk

    def recording(
        problem: Problem, setup: Setup, *, seed: int, split: str, indices: range
    ) -> Trajectories:
        calls.append((split, indices))
        return original(problem, setup, seed=seed, split=split, indices=indices)

    monkeypatch.setattr(make, "simulate_chunk", recording)
    return calls


def stop_after(count: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, what: str) -> None:
        del total, what
        if done >= count:
            raise KeyboardInterrupt

    return progress


def test_pairs_are_successive_frames_with_the_constants(tmp_path: Path) -> None:
    report = make_dataset(request(tmp_path / "new" / "folder"))
    assert report.files == (*NAMES, "acoustics_16.json")
    assert report.samples == {"train": 10, "test": 2}
    for split, count in (("train", 5), ("test", 1)):
        fields, constants, _ = simulate_dataset(
            size=16, trajectories=count, frames=3, seed=4, split=split
        )
        data = torch.load(report.folder / f"acoustics_{split}_16.pt", weights_only=True)
        assert data["x"].shape == (2 * count, 5, 16, 16)
        assert data["y"].shape == (2 * count, 3, 16, 16)
        for index in range(count):
            for frame in range(2):
                x, y = (data[name][2 * index + frame] for name in "xy")
                assert torch.equal(x[:3], fields[index, frame])
                assert torch.equal(x[3:], constants[index])
                assert torch.equal(y, fields[index, frame + 1])


def test_test_trajectories_are_whole_and_named(tmp_path: Path) -> None:
    make_dataset(request(tmp_path, test_trajectories=3))
    held = torch.load(tmp_path / NAMES[2], weights_only=True)
    fields, constants, _ = simulate_dataset(size=16, trajectories=3, frames=3, seed=4, split="test")
    assert torch.equal(held["fields"], fields)
    assert torch.equal(held["constants"], constants)
    assert held["field_names"] == ["pressure", "velocity_x", "velocity_y"]
    assert held["constant_names"] == ["density", "speed"]
    assert held["interval"] == 0.04


def test_metadata_says_what_the_files_are(tmp_path: Path) -> None:
    report = make_dataset(request(tmp_path, medium="maze", boundary="wall"))
    facts = json.loads((tmp_path / "acoustics_16.json").read_text(encoding="utf-8"))
    assert facts["parameters"]["boundary"] == "wall"
    assert facts["parameters"]["medium"] == "maze"
    assert facts["parameters"]["seed"] == 4
    assert set(facts["units"]) >= {*facts["fields"], *facts["constants"]}
    assert {name: file["sha256"] for name, file in facts["files"].items()} == {
        name: digest(tmp_path / name) for name in NAMES
    }
    assert report.bytes == sum((tmp_path / name).stat().st_size for name in NAMES)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_progress_counts_trajectories_then_files(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    make_dataset(request(tmp_path), progress=lambda *step: seen.append(step))
    assert seen == [
        *[(done, 6, "simulating") for done in (2, 4, 5, 6)],
        *[(done, 3, "writing") for done in (1, 2, 3)],
    ]


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_stopped_run_goes_on_and_gives_the_same_files(
    tmp_path: Path, simulated: list[tuple[str, range]], stop: int
) -> None:
    whole = tmp_path / "whole"
    make_dataset(request(whole))
    simulated.clear()
    torn = tmp_path / "torn"
    with pytest.raises(KeyboardInterrupt):
        make_dataset(request(torn), progress=stop_after(stop))
    assert not [path for path in torn.iterdir() if path.is_file()]
    make_dataset(request(torn))
    # every chunk once over both runs
    assert len(simulated) == len(set(simulated)) == 4
    assert hashes(torn) == hashes(whole)
    assert not (torn / f".wavelit-{request(torn).key()}").exists()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("moved", [0, 1, 3, 4])
def test_a_run_stopped_between_the_final_files_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int, *, overwrite: bool
) -> None:
    original, count = Path.replace, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal count
        if self.parent.name == "files" and target.parent == tmp_path:
            if count == moved:
                raise KeyboardInterrupt
            count += 1
        return original(self, target)

    def failing_remove(self: Workshop) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        patch.setattr(Workshop, "remove", failing_remove)
        with pytest.raises(KeyboardInterrupt):
            make_dataset(request(tmp_path))
    assert len(hashes(tmp_path)) == moved
    report = make_dataset(request(tmp_path, overwrite=overwrite))
    assert report.already_complete == (moved == 4 and not overwrite)
    assert [path.name for path in sorted(tmp_path.iterdir())] == sorted(report.files)
    make_dataset(request(tmp_path / "whole"))
    assert hashes(tmp_path) == hashes(tmp_path / "whole")


def test_a_finished_request_is_not_made_again(
    tmp_path: Path, simulated: list[tuple[str, range]]
) -> None:
    first = make_dataset(request(tmp_path))
    before = hashes(tmp_path)
    simulated.clear()
    again = make_dataset(request(tmp_path))
    assert not simulated
    assert (first.already_complete, again.already_complete) == (False, True)
    assert hashes(tmp_path) == before
    assert _facts(again) == _facts(first)


def _facts(report: DataReport) -> tuple[object, ...]:
    return report.files, report.samples, report.frame_change, report.bytes


def test_another_request_into_the_same_files_is_refused(tmp_path: Path) -> None:
    make_dataset(request(tmp_path))
    before = hashes(tmp_path)
    with pytest.raises(DataError, match="use another folder or overwrite"):
        make_dataset(request(tmp_path, seed=5))
    assert hashes(tmp_path) == before
    make_dataset(request(tmp_path, seed=5, overwrite=True))
    after = hashes(tmp_path)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())


def test_a_failed_overwrite_leaves_the_old_files(tmp_path: Path) -> None:
    make_dataset(request(tmp_path))
    before = hashes(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make_dataset(request(tmp_path, seed=5, overwrite=True), progress=stop_after(3))
    assert hashes(tmp_path) == before


def test_sizes_share_a_folder_and_strangers_files_stay(tmp_path: Path) -> None:
    stranger = tmp_path / "notes.txt"
    stranger.write_text("mine", encoding="utf-8")
    make_dataset(request(tmp_path))
    make_dataset(request(tmp_path, size=18))
    assert stranger.read_text(encoding="utf-8") == "mine"
    assert len(hashes(tmp_path)) == 1 + 2 * 4


@pytest.mark.parametrize("name", [*NAMES, "acoustics_16.json"])
def test_a_strangers_file_of_our_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(DataError, match=name):
        make_dataset(request(tmp_path))
    assert (tmp_path / name).read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    make_dataset(request(tmp_path))
    with (tmp_path / NAMES[0]).open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match="was changed after it was made"):
        make_dataset(request(tmp_path))
    (tmp_path / NAMES[0]).unlink()
    with pytest.raises(DataError, match="is missing"):
        make_dataset(request(tmp_path))


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_dataset(request(tmp_path), progress=stop_after(3))
    shard = next(tmp_path.glob(".wavelit-*/train_*.pt"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(DataError, match=r"is damaged \(.*\); delete it"):
        make_dataset(request(tmp_path))


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    for folder in (occupied, occupied / "below"):
        with pytest.raises(DataError, match="a file where a folder is wanted, use another path"):
            make_dataset(request(folder))
    assert occupied.read_bytes() == b""


def test_what_is_complete_can_be_used_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(request(tmp_path))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for writing in ("mkdir", "unlink", "replace", "touch", "write_text"):
        monkeypatch.setattr(Path, writing, refused)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(filelock.FileLock, "acquire", refused)
    assert make_dataset(request(tmp_path)).already_complete
    with pytest.raises(DataError, match="Permission denied; use a place that you may read and wr"):
        make_dataset(request(tmp_path, size=18))


def test_a_second_process_is_told_so_and_the_first_goes_on(tmp_path: Path) -> None:
    refusals: list[str] = []

    def second(done: int, total: int, what: str) -> None:
        for overwrite in (False, True):
            with pytest.raises(ConfigError) as error:
                make_dataset(request(tmp_path, seed=7 * done, overwrite=overwrite))
            refusals.append(str(error.value))

    make_dataset(request(tmp_path), progress=second)
    told = f"another process is writing to {tmp_path}; wait until it ends, or use another folder"
    assert set(refusals) == {told}
    assert make_dataset(request(tmp_path)).already_complete


def test_two_sizes_can_be_made_at_once(tmp_path: Path) -> None:
    made: list[int] = []

    def other(done: int, total: int, what: str) -> None:
        if not made:
            made.append(18)
            make_dataset(request(tmp_path, size=18))

    make_dataset(request(tmp_path), progress=other)
    assert len(list(tmp_path.iterdir())) == 2 * 4


@pytest.mark.parametrize(
    ("name", "there", "told"),
    [
        ("memory", 1000, r"one trajectory takes .* GB and there are 1e-06; use a smaller size"),
        ("disk_usage", SimpleNamespace(free=1000), r"the data take .*; use fewer trajectories or"),
    ],
)
def test_what_cannot_fit_is_refused_before_it_is_simulated(
    name: str,
    there: object,
    told: str,
    tmp_path: Path,
    simulated: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(make, name, lambda *_: there)
        with pytest.raises(DataError, match=told):
            make_dataset(request(tmp_path))
    assert not simulated
    assert list(tmp_path.iterdir()) == []
    assert not make_dataset(request(tmp_path)).already_complete


def test_the_room_that_is_asked_for_is_what_is_needed_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fields of what is written; so no run that could end is refused."""
    report = make_dataset(request(tmp_path / "first", trajectories=40, frames=6))
    stored = 4 * 3 * 6 * 16**2 * 50  # bytes, fields, frames, points, trajectories of both splits
    for free, fits in ((stored, True), (stored - 1, False)):
        monkeypatch.setattr(make, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        if fits:
            make_dataset(request(tmp_path / "second", trajectories=40, frames=6))
        else:
            with pytest.raises(DataError, match="the data take"):
                make_dataset(request(tmp_path / "third", trajectories=40, frames=6))
    assert stored < report.bytes


def test_an_error_of_the_progress_callback_is_not_ours(tmp_path: Path) -> None:
    def closed_pipe(done: int, total: int, what: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        make_dataset(request(tmp_path), progress=closed_pipe)


def test_a_full_disk_is_one_error_and_the_run_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: object, path: Path) -> None:
        raise RuntimeError("unexpected pos 64 vs 0\nand a long trace")  # torch's own words

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(DataError, match=r"\(unexpected pos 64 vs 0\); free some room"):
            make_dataset(request(tmp_path))
    assert make_dataset(request(tmp_path)).samples == {"train": 10, "test": 2}


@pytest.mark.parametrize(
    ("layout", "size", "stem"), [("nsforcing", 128, "nsforcing"), ("darcy", 16, "darcy")]
)
def test_single_field_layouts_hold_squeezed_pressure(
    tmp_path: Path, layout: str, size: int, stem: str
) -> None:
    make_dataset(request(tmp_path, layout=layout, size=size, trajectories=1, oversample=1))
    data = torch.load(tmp_path / f"{stem}_train_{size}.pt", weights_only=True)
    fields, _, _ = simulate_dataset(size=size, trajectories=1, frames=3, seed=4, oversample=1)
    assert torch.equal(data["x"], fields[0, :-1, 0])
    assert torch.equal(data["y"], fields[0, 1:, 0])


def test_float64_simulations_are_written_as_float32(tmp_path: Path) -> None:
    make_dataset(request(tmp_path, dtype="float64"))
    data = torch.load(tmp_path / NAMES[0], weights_only=True)
    assert data["x"].dtype == data["y"].dtype == torch.float32


def test_the_same_request_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    """So that a data set can be known by its hash."""
    make_dataset(request(tmp_path / "here"))
    code = (
        "import sys, pathlib; from wavelit_plugin.data import *; make_dataset(DataRequest(size=16,"
        "trajectories=5, frames=3, seed=4, out=pathlib.Path(sys.argv[1])))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, timeout=120)
    made = [hashes(tmp_path / name) for name in ("here", "there")]
    assert {name: made[0][name] for name in NAMES} == {name: made[1][name] for name in NAMES}
