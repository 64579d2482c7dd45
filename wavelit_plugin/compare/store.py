"""The runs of a study in a folder, a file each, done by any number of processes at a time.

A folder holds ``plan.json``, what was asked, and ``runs/ID.json``, a finished run each. What a run
gives depends on its specification and the settings of the folder alone, so whoever finds one that
is missing may do it: processes, GPUs or nodes that were started with the same command share the
work, and a run whose process was killed is done again. A lock that does not hold, as on some disks
of a network, costs time and no number.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import (
    content_errors,
    disk_errors,
    lock_if_free,
    make_folder,
    read_json,
    write_json,
)

FORMAT = 2
PLAN, RUNS, LOCK = "plan.json", "runs", ".lock"
DAMAGED = "delete it, and the run is done again"
WAITING = "other processes do what is missing"

_BESIDE = ("source", "relative_change")  # follow from data, or say nothing about them
_LONGEST = 80  # letters of a label in the name of a file
_POLL = 0.5  # seconds between two looks at what others do

Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What a run is of.

    Attributes:
        label: what is trained or measured.
        learning_rate: the largest; None where nothing is searched.
        seed: of the weights and of the order of the samples.
    """

    label: str
    learning_rate: float | None = None
    seed: int = 0

    def __str__(self) -> str:
        """Return it in words."""
        rate = "" if self.learning_rate is None else f", rate {self.learning_rate:g}"
        return f"{self.label}{rate}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished run.

    Attributes:
        spec: what it is of.
        metrics: what was measured, by name; None where it is not finite.
        costs: parameters, steps, seconds, bytes.
        curve: (step, training seconds, training loss), at most 100 points.
    """

    spec: RunSpec
    metrics: Facts
    costs: Facts = field(default_factory=dict)
    curve: tuple[tuple[int, float, float], ...] = ()

    @classmethod
    def from_plain(cls, plain: Facts) -> RunRecord:
        """Read what ``dataclasses.asdict`` gives, as JSON returns it."""
        return cls(
            spec=RunSpec(**plain["spec"]),
            metrics=plain["metrics"],
            costs=plain["costs"],
            curve=tuple((int(n), float(s), float(e)) for n, s, e in plain["curve"]),
        )


class RunStore:
    """Plan and runs of one folder.

    Args:
        folder: of the study.
        settings: plain facts that all runs of the folder have in common.
        what: is in it, for errors, such as "a comparison".
        advice: what to do about a folder of other settings.

    Raises:
        ConfigError: the folder holds runs of other settings.
        DataError: its plan is damaged, or of another format.
    """

    def __init__(
        self, folder: Path, settings: Facts, *, what: str, advice: str = "use another folder"
    ) -> None:
        self.folder, self.what, self.advice = folder, what, advice
        self.settings: dict[str, Any] = json.loads(json.dumps(settings, allow_nan=False))
        text = json.dumps(_identity(self.settings), sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._read: dict[Path, RunRecord | None] = {}
        self.plan: dict[str, Any] = {}
        if (folder / PLAN).exists():
            self.plan = read_plan(folder, what)
            self._check_same()

    def write_plan(self, facts: Facts) -> None:
        """Write the plan, these facts and the settings; in the block of ``planning``."""
        head = {"format": FORMAT, "holds": self.what, "settings": self.key}
        self.plan = json.loads(json.dumps({**self.settings, **facts, **head}, allow_nan=False))
        write_json(self.folder / PLAN, self.plan)

    def records(self) -> tuple[RunRecord, ...]:
        """Return the finished runs of these settings."""
        # no file changes once it is there
        self._read = {
            path: self._read[path] if path in self._read else _read_run(path, self.key)
            for path in sorted(_finished(self.folder))
        }
        return tuple(run for run in self._read.values() if run is not None)

    def path(self, spec: RunSpec, ending: str = ".json") -> Path:
        """Return where a run is, or something that belongs to it."""
        text = json.dumps([self.key, asdict(spec)], sort_keys=True)
        rate = "" if spec.learning_rate is None else f"@{spec.learning_rate:g}"
        name = f"{slug(spec.label)[:_LONGEST]}{rate}-seed{spec.seed}"
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.folder / RUNS / f"{name}-{digest}{ending}"

    def keep(self, record: RunRecord) -> None:
        """Keep a finished run, whole or not at all."""
        make_folder(self.folder / RUNS)
        write_json(self.path(record.spec), {"settings": self.key, **asdict(record)})

    def work(
        self,
        missing: Callable[[Sequence[RunRecord]], Iterable[RunSpec]],
        do: Callable[[RunSpec], RunRecord | None],
        wait: Callable[[], object] = lambda: None,
    ) -> tuple[RunRecord, ...]:
        """Do what is missing, beside whoever else does the same; return all finished runs.

        Args:
            missing: which runs are, given the finished ones, the first to do first; it may name
                more when these are done.
            do: does one; None is a run that failed, which ``missing`` must not name again.
            wait: called now and then while others do all that is missing.

        Raises:
            DataError: a record is damaged, or lacks what ``missing`` looks at.
        """
        while True:
            done = self.records()
            with content_errors(self.folder / RUNS, self.advice):  # where a record lacks a number
                specs = tuple(missing(done))
            if not specs:
                return done
            if not any(self._done(spec, do) for spec in specs):
                wait()
                time.sleep(_POLL)

    def _done(self, spec: RunSpec, do: Callable[[RunSpec], RunRecord | None]) -> bool:
        """Do a run unless another process has it in hand; say whether it is done, or failed."""
        path = self.path(spec)
        with lock_if_free(path.parent, f"{path.stem}.lock") as mine:
            # looked at again: another process may have done it just before
            if mine and not path.exists():
                record = do(spec)
                if record is not None:
                    self.keep(record)
            return mine

    def _check_same(self) -> None:
        before, now = _identity(self.plan), _identity(self.settings)
        changed = [name for name in now if before.get(name) != now[name]]
        if changed:
            name = changed[0]
            was, now_is = _first_difference(before.get(name), now[name])
            raise ConfigError(
                f"{self.folder} holds {self.what} with other settings ({name}: {was} there, "
                f"{now_is} now), whose numbers cannot stand in one table; {self.advice}"
            )


def all_of(specs: Iterable[RunSpec]) -> Callable[[Sequence[RunRecord]], list[RunSpec]]:
    """Return what is missing of runs that are known beforehand, for ``RunStore.work``."""
    wanted = tuple(specs)

    def missing(done: Sequence[RunRecord]) -> list[RunSpec]:
        finished = {run.spec for run in done}
        return [spec for spec in wanted if spec not in finished]

    return missing


@contextmanager
def planning(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder's plan and of what is made once for all runs; wait for it."""
    with lock_if_free(folder / RUNS, LOCK, wait=True):
        yield


def clear(folder: Path, what: str) -> None:
    """Throw away the plan and all runs of a folder; in the block of ``planning``.

    Raises:
        DataError: they are of something else than this, and stay.
    """
    if (folder / PLAN).exists():
        read_plan(folder, what)
    with disk_errors(folder):
        for path in (folder / PLAN, *_finished(folder)):
            path.unlink(missing_ok=True)


def read_plan(folder: Path, what: str) -> dict[str, Any]:
    """Return the plan of a folder.

    Raises:
        DataError: there is none, it is damaged, or of another format.
    """
    path = folder / PLAN
    if not path.is_file():
        raise DataError(f"{folder} holds no {what.partition(' ')[2]} ({PLAN}); give another folder")
    plan = read_json(path)
    if plan.get("format") != FORMAT:
        raise DataError(
            f"{path} has format {plan.get('format')!r}, this version reads {FORMAT}; make "
            f"{what} in another folder"
        )
    if plan.get("holds") != what:
        raise DataError(f"{folder} holds {plan.get('holds')}, not {what}; give another folder")
    return plan


def read_runs(folder: Path, key: str) -> tuple[RunRecord, ...]:
    """Return the finished runs of these settings, by the names of their files.

    Raises:
        DataError: a file is damaged.
    """
    found = (_read_run(path, key) for path in sorted(_finished(folder)))
    return tuple(run for run in found if run is not None)


def slug(label: str) -> str:
    """Return a label as it can be in the name of a file.

    >>> slug("pdearena/ResNet-128:mse")
    'pdearena-ResNet-128-mse'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label)


def _read_run(path: Path, key: str) -> RunRecord | None:
    """Return a run; None where it is of other settings."""
    plain = read_json(path, DAMAGED)
    with content_errors(path, DAMAGED):
        return RunRecord.from_plain(plain) if plain["settings"] == key else None


def _finished(folder: Path) -> list[Path]:
    # what is being written begins with a dot
    return [path for path in (folder / RUNS).glob("*.json") if path.name[0] != "."]


def _identity(value: Any) -> Any:
    """Return what tells settings apart: of data the fingerprint, not what only describes them."""
    if not isinstance(value, Mapping):
        return value
    beside = _BESIDE if "fingerprint" in value else ()
    return {name: _identity(part) for name, part in value.items() if name not in beside}


def _first_difference(before: object, now: object) -> tuple[object, object]:
    """Return what differs, and its key where both are mappings."""
    if not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return before, now
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return f"{keys[0]} {before.get(keys[0])}", now.get(keys[0])
