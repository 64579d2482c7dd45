"""The runs of a folder: any number of processes, killed or not, leave what one alone would."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from wavelit_plugin.compare.store import (
    PLAN,
    RUNS,
    RunRecord,
    RunSpec,
    RunStore,
    clear,
    planning,
    read_plan,
)
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import lock_if_free

SETTINGS = {"budget": {"steps": 6}, "data": {"fingerprint": "ab", "source": "here"}}

# a worker of the plan below; it kills itself in the middle of the run that is its argument
WORKER = """
import os, runpy, signal, sys
from pathlib import Path
here = runpy.run_path(sys.argv[2])
done = []

def do(spec):
    done.append(spec)
    record = here["outcome"](spec)
    if len(done) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return record

here["store_in"](Path(sys.argv[1])).work(here["missing"], do)
print(len(done))
"""


def store_in(folder: Path, **changes: object) -> RunStore:
    return RunStore(folder, {**SETTINGS, **changes}, what="a study")


def outcome(spec: RunSpec) -> RunRecord:
    """What a run gives: a number that its specification decides."""
    time.sleep(0.05)
    digest = hashlib.sha256(repr(spec).encode()).digest()
    return RunRecord(
        spec=spec,
        metrics={"error": digest[0] / 256, "none": None},
        costs={"steps": 6},
        curve=((1, 0.5, 1 / 3), (2, 1.0, 0.1)),
    )


def missing(done: Sequence[RunRecord]) -> Iterator[RunSpec]:
    """Ten runs of seed 0; then, of the best of them, which is then known, three more."""
    firsts = [RunSpec(label=f"a/{number}", learning_rate=1e-3) for number in range(10)]
    found = {run.spec: run.metrics["error"] for run in done}
    yield from (spec for spec in firsts if spec not in found)
    if all(spec in found for spec in firsts):
        best = min(firsts, key=lambda spec: found[spec])
        more = (RunSpec(label=best.label, learning_rate=1e-3, seed=seed) for seed in (1, 2, 3))
        yield from (spec for spec in more if spec not in found)


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / RUNS).iterdir()}


def test_three_processes_one_of_them_killed_leave_what_one_leaves(tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    records = store_in(whole).work(missing, outcome)
    assert len(records) == 13
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(shared), __file__, str(dies)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for dies in (1, 0, 0)
    ]
    counts = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes[1:]] == [0, 0]
    assert processes[0].returncode in {-signal.SIGKILL, 0}  # unless nothing was left for it
    assert kept(shared) == kept(whole)
    assert store_in(shared).records() == records
    # nothing is done twice, but perhaps what the killed one had begun
    assert sum(map(int, filter(None, counts))) == 13


def test_a_run_that_another_process_has_in_hand_is_left_to_it(tmp_path: Path) -> None:
    store, order = store_in(tmp_path), []
    first = next(missing(()))
    path = store.path(first)
    held = lock_if_free(path.parent, f"{path.stem}.lock")
    assert held.__enter__()

    def do(spec: RunSpec) -> RunRecord:
        order.append(spec)
        return outcome(spec)

    def wait() -> None:
        store.keep(outcome(first))
        held.__exit__(None, None, None)

    assert len(store.work(missing, do, wait)) == 13
    assert first not in order
    assert len(order) == 12


def test_what_was_done_just_before_is_not_done_again(tmp_path: Path) -> None:
    store, done = store_in(tmp_path), []

    def do(spec: RunSpec) -> RunRecord:
        done.append(spec)
        return outcome(spec)

    def late(records: Sequence[RunRecord]) -> Iterator[RunSpec]:
        """Says what is missing; until it is tried, another process does it."""
        for spec in missing(records):
            store.keep(outcome(spec))
            yield spec

    assert len(store.work(late, do)) == 13
    assert done == []


def test_what_fails_leaves_nothing_and_the_others_are_done(tmp_path: Path) -> None:
    store, failed = store_in(tmp_path), set[RunSpec]()

    def left(done: Sequence[RunRecord]) -> Iterator[RunSpec]:
        return (spec for spec in missing(done) if spec not in failed)

    def do(spec: RunSpec) -> RunRecord | None:
        if spec.label == "a/3":
            failed.add(spec)
            return None
        return outcome(spec)

    labels = {run.spec.label for run in store.work(left, do)}
    assert labels == {f"a/{number}" for number in range(10)} - {"a/3"}


def test_a_record_is_read_as_it_was_and_half_of_one_is_none(tmp_path: Path) -> None:
    store, record = store_in(tmp_path), outcome(RunSpec(label="a: b/c", seed=3))
    store.keep(record)
    (store.path(record.spec).with_name(".partial-node-7.x.json")).write_text('{"settings": "')
    assert store.records() == (record,)
    assert RunRecord.from_plain(json.loads(json.dumps(asdict(record)))) == record


def test_runs_of_other_settings_are_not_read_nor_overwritten(tmp_path: Path) -> None:
    one, other = store_in(tmp_path), store_in(tmp_path, budget={"steps": 7})
    spec = RunSpec(label="a")
    one.keep(outcome(spec))
    assert other.records() == ()
    other.keep(outcome(spec))
    assert one.records() == other.records() == (outcome(spec),)
    assert len(kept(tmp_path)) == 2


def test_a_folder_is_of_one_kind_of_settings_wherever_its_data_are(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with planning(tmp_path):
        store.write_plan({"command": ["wavelit"]})
    assert store_in(tmp_path).plan["command"] == ["wavelit"]
    moved = store_in(tmp_path, data={"fingerprint": "ab", "source": "elsewhere"})
    assert moved.key == store.key
    with pytest.raises(ConfigError, match=r"budget: steps 6 there, 7 now\), whose numbers cannot"):
        store_in(tmp_path, budget={"steps": 7})
    with pytest.raises(ConfigError, match="data: fingerprint ab there, cd now"):
        store_in(tmp_path, data={"fingerprint": "cd"})


def test_what_is_overwritten_is_of_the_same_kind(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with planning(tmp_path):
        store.write_plan({})
        store.keep(outcome(RunSpec(label="a")))
        with pytest.raises(DataError, match="holds a study, not a demonstration; give another"):
            clear(tmp_path, "a demonstration")
        assert len(store.records()) == 1
        clear(tmp_path, "a study")
    assert store.records() == ()
    assert store_in(tmp_path, budget={"steps": 7}).plan == {}


def test_every_specification_has_a_file_of_its_own(tmp_path: Path) -> None:
    names = {
        store_in(tmp_path).path(RunSpec(label=label, learning_rate=rate, seed=seed)).name
        for label in ("a/b", "a:b", "a-b", "A-b", "x" * 300, "x" * 301)
        for rate in (None, 1e-3, 1e-3 + 1e-12)
        for seed in (0, 1)
    }
    assert len({name.lower() for name in names}) == 6 * 3 * 2
    assert max(map(len, names)) < 140
    assert not any(set(name) & set('/\\:*?"<>|') for name in names)


@pytest.mark.parametrize("content", ["", "{", "[3]", '{"settings": "KEY"}', "\x00"])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.keep(outcome(RunSpec(label="a")))
    (path,) = (tmp_path / RUNS).iterdir()
    path.write_text(content.replace("KEY", store.key))
    with pytest.raises(DataError, match=rf"{path.name} holds something else.*delete it, and"):
        store.records()


def test_a_record_without_what_decides_what_is_missing_is_one_error(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for number in range(10):
        spec = RunSpec(label=f"a/{number}", learning_rate=1e-3)
        store.keep(RunRecord(spec=spec, metrics={}))
    with pytest.raises(DataError, match=r"runs holds something else .*KeyError: 'error'.*; use an"):
        store.work(missing, outcome)


def test_a_folder_without_a_plan_and_one_of_another_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no study"):
        read_plan(tmp_path, "a study")
    (tmp_path / PLAN).write_text('{"format": 1}')
    with pytest.raises(DataError, match="format 1, this version reads 2; make a study in another"):
        store_in(tmp_path)
