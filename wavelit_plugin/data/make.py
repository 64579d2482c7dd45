"""Make a data set on disk: seeded, resumable, never replacing files silently."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from shutil import disk_usage
from typing import Any

import torch

from wavelit_plugin import __version__
from wavelit_plugin.data.request import DataReport, DataRequest
from wavelit_plugin.data.simulation import Progress, chunk_ranges, simulate_chunk
from wavelit_plugin.data.statistics import Statistics, measure
from wavelit_plugin.data.store import (
    Workshop,
    check_target,
    digest,
    size_in_bytes,
)
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import disk_errors, locked, memory
from wavelit_plugin.plugins.datasets import Source, Trajectories


def make_dataset(request: DataRequest, progress: Progress | None = None) -> DataReport:
    """Simulate and write a data set; return what was written.

    A run that was killed goes on with the same request. A request that is finished already is
    reported as such and nothing is done. Several sizes may share a folder, because their files
    have different names.

    Raises:
        ConfigError: the host cannot read these files from this folder, or another process is
            making files of these names there.
        DataError: files of these names exist from something else and ``overwrite`` is off, a
            finished file was changed, the disk does not take the files, or the solver failed.
    """
    began, progress = time.perf_counter(), progress or _silent
    names, metadata = _names(request)
    with disk_errors(request.out):
        request.writer().check_folder(request.out, names, request.layout_name())
    with _alone(request.out, metadata):
        made, facts = _make(request, progress)
        seconds = time.perf_counter() - began if made else 0.0
    return _report(request, facts, seconds=seconds, already_complete=not made)


def _alone(out: Path, metadata: str) -> AbstractContextManager[None]:
    """Return what keeps other processes from files of the same names; other names may be made."""
    if out.is_dir() and not os.access(out, os.W_OK):
        return nullcontext()  # nobody makes anything there, and what is complete can be used
    return locked(out, f".wavelit-{metadata}.lock")


def _make(request: DataRequest, progress: Progress) -> tuple[bool, dict[str, Any]]:
    """Make what is missing; return whether anything was, and the metadata."""
    names, metadata = _names(request)
    workshop = Workshop(request.out, request.key())
    if not request.overwrite:
        with disk_errors(request.out):
            finished = _finished(request, metadata)
        if finished is not None:
            workshop.remove()
            return False, finished
    if not (request.overwrite or workshop.publishing):
        check_target(request.out, (*names, metadata))
    if not workshop.publishing:
        _check_room(request, workshop)
    workshop.open()
    if not workshop.publishing:
        _simulate(request, workshop, progress)
        _write(request, workshop, progress)
    workshop.publish(names, metadata)
    return True, json.loads((request.out / metadata).read_text(encoding="utf-8"))


def _silent(done: int, total: int, what: str) -> None:
    del done, total, what


def _names(request: DataRequest) -> tuple[tuple[str, ...], str]:
    """Return the names of the data files and of the metadata file."""
    asked = (request.problem_record(), request.setup(), request.layout_name())
    writer = request.writer()
    return writer.files(*asked), f"{writer.stem(*asked)}.json"


def _finished(request: DataRequest, metadata: str) -> dict[str, Any] | None:
    """Return the metadata of the same request when it was finished before and is unchanged."""
    path = request.out / metadata
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if not isinstance(facts, dict) or facts.get("key") != request.key():
        return None
    for name, file in facts["files"].items():
        held = request.out / name
        if not held.exists() or digest(held) != file["sha256"]:
            raise DataError(
                f"{held} is missing or was changed after it was made; overwrite, or use another "
                f"folder"
            )
    return facts


def _check_room(request: DataRequest, workshop: Workshop) -> None:
    """Raise DataError where memory or disk cannot hold even the numbers themselves."""
    problem, setup = request.problem_record(), request.setup()
    fields = 4 * len(problem.fields)  # bytes of a point, float32
    stored = fields * setup.frames * setup.size**problem.ndim
    simulated = fields * (setup.size * setup.oversample) ** problem.ndim
    needed = stored * sum(request.counts().values())
    with disk_errors(request.out):
        used = size_in_bytes(workshop.folder) if workshop.folder.exists() else 0
        free = disk_usage(request.out).free + used
    for what, asked, there, instead in (
        (
            "one trajectory takes",
            stored + simulated,
            memory(),
            "a smaller size, oversample or frames",
        ),
        ("the data take", needed, free, "fewer trajectories or frames, or another disk"),
    ):
        if asked > there:
            raise DataError(
                f"{what} {asked / 1e9:.3g} GB and there are {there / 1e9:.3g}; use {instead}"
            )


def _ranges(request: DataRequest, split: str) -> list[range]:
    ndim = request.problem_record().ndim
    return chunk_ranges(request.count(split), request.setup(), ndim=ndim)


def _simulate(request: DataRequest, workshop: Workshop, progress: Progress) -> None:
    """Simulate every chunk that is not there yet."""
    problem, setup = request.problem_record(), request.setup()
    splits = request.writer().splits
    total = sum(request.count(split) for split in splits)
    done = 0
    for split in splits:
        for indices in _ranges(request, split):
            if not workshop.shard(split, indices).exists():
                chunk = simulate_chunk(
                    problem, setup, seed=request.seed, split=split, indices=indices
                )
                workshop.save(split, indices, chunk)
            done += len(indices)
            progress(done, total, "simulating")


def _write(request: DataRequest, workshop: Workshop, progress: Progress) -> None:
    """Write the data files and the metadata into the work folder."""

    def chunks(split: str) -> Iterator[Trajectories]:
        return (workshop.load(split, indices) for indices in _ranges(request, split))

    problem, setup, writer = request.problem_record(), request.setup(), request.writer()
    names, metadata = _names(request)
    counts = request.counts()
    source = Source(problem=problem, setup=setup, counts=counts, chunks=chunks)
    for done, _ in enumerate(writer.write(source, workshop.files, request.layout_name()), start=1):
        progress(done, len(names), "writing")
    statistics = measure(chunks("train"))
    with disk_errors(workshop.files):
        facts = _facts(request, workshop.files, names, statistics)
        text = json.dumps(facts, indent=2) + "\n"
        (workshop.files / metadata).write_text(text, encoding="utf-8")


def _facts(
    request: DataRequest, folder: Path, names: tuple[str, ...], statistics: Statistics
) -> dict[str, Any]:
    problem = request.problem_record()
    pairs, counts = problem.samples(request.setup()), request.counts()
    return {
        "key": request.key(),
        "parameters": request.parameters(),
        "problem": problem.summary,
        "fields": list(problem.fields),
        "constants": list(problem.constants),
        "parameter_names": list(problem.parameters),
        "vectors": [list(vector) for vector in problem.vectors],
        "units": dict(problem.units),
        "trajectories": counts,
        "samples": {split: count * pairs for split, count in counts.items()},
        "layout": request.writer().describe(problem, request.layout_name()),
        "mean": dict(zip(problem.fields, statistics.mean, strict=True)),
        "std": dict(zip(problem.fields, statistics.std, strict=True)),
        "frame_change": (
            {}
            if problem.steady
            else dict(zip(problem.fields, statistics.frame_change, strict=True))
        ),
        "device": request.device,
        "versions": {"wavelit-plugin": __version__, "torch": str(torch.__version__)},
        "files": {
            name: {"sha256": digest(folder / name), "bytes": size_in_bytes(folder / name)}
            for name in names
        },
    }


def _report(
    request: DataRequest, facts: dict[str, Any], *, seconds: float, already_complete: bool
) -> DataReport:
    _, metadata = _names(request)
    return DataReport(
        folder=request.out,
        files=(*facts["files"], metadata),
        trajectories=facts["trajectories"],
        samples=facts["samples"],
        frame_change=facts["frame_change"],
        bytes=sum(file["bytes"] for file in facts["files"].values()),
        seconds=seconds,
        already_complete=already_complete,
        left_out=tuple(facts["layout"].get("not_stored", ())),
    )
