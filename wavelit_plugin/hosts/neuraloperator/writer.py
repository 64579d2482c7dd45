"""Files for neuraloperator's PTDataset and the data sets built on it.

``{stem}_{split}_{size}.pt`` holds {"x": (sample, channel, *space), "y": likewise} in float32,
samples trajectory by trajectory: x is frame t (with the constants, and each parameter as a
channel of one value), y the fields of frame t + 1. Of a steady problem x is the constants and
parameters alone, y the fields, and there is no file of trajectories.
``{stem}_test_{size}_trajectories.pt`` holds the whole test trajectories for roll-outs:
{"fields": (trajectory, frame, field, *space), "constants": (trajectory, constant, *space),
"parameters": (trajectory, parameter), "field_names", "constant_names", "parameter_names",
"interval"}. All load with ``torch.load(weights_only=True)``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.files import save_tensors
from wavelit_plugin.plugins.datasets import Problem, Setup, Source, Writer, with_parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which channels go where, and under which file names.

    Args:
        stem: beginning of the file names; None is the problem's name.
        field: the one field stored without channel axis, and of a steady problem its one
            constant; None stores all, the constants and the parameters.
        sizes: sizes that the host's loader takes; empty for any.
    """

    stem: str | None = None
    field: str | None = None
    sizes: tuple[int, ...] = ()


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "pairs": Layout(),
        # the names, sizes and single squeezed channel that the stock data sets insist on
        "nsforcing": Layout(stem="nsforcing", field="pressure", sizes=(128, 1024)),
        "darcy": Layout(stem="darcy", field="pressure", sizes=(16, 32, 64, 128)),
    }
)
"""The layouts by name, the default first."""


def check(problem: Problem, setup: Setup, layout: str) -> None:
    """Raise ConfigError when the layout is unknown or cannot hold the problem at this size."""
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    record = LAYOUTS[layout]
    if record.sizes and setup.size not in record.sizes:
        sizes = ", ".join(map(str, record.sizes))
        raise ConfigError(
            f"layout {layout!r} is read at sizes {sizes} only, got {setup.size}; use one of them "
            f"or layout 'pairs'"
        )
    if record.field is not None and record.field not in problem.fields:
        raise ConfigError(
            f"layout {layout!r} stores the field {record.field!r}, which {problem.name} does not "
            f"have; use layout 'pairs'"
        )
    if record.field is not None and problem.steady and len(_fixed(problem)) != 1:
        raise ConfigError(
            f"layout {layout!r} stores one constant of a steady problem, and {problem.name} has "
            f"{', '.join(_fixed(problem))}; use layout 'pairs'"
        )


def stem(problem: Problem, setup: Setup, layout: str) -> str:
    """Return the beginning of the names of files that hold both splits."""
    return f"{_prefix(problem, layout)}_{setup.size}"


def files(problem: Problem, setup: Setup, layout: str) -> tuple[str, ...]:
    """Return the file names: train, test, and test trajectories of what evolves."""
    prefix, size = _prefix(problem, layout), setup.size
    pairs = (f"{prefix}_train_{size}.pt", f"{prefix}_test_{size}.pt")
    return pairs if problem.steady else (*pairs, f"{prefix}_test_{size}_trajectories.pt")


def describe(problem: Problem, layout: str) -> dict[str, object]:
    """Return the channel names and how PTDataset must be told to read them."""
    names = {
        "dataset_name": _prefix(problem, layout),
        "x_channels": list(_inputs(problem, LAYOUTS[layout])),
        "y_channels": list(_outputs(problem, LAYOUTS[layout])),
        "channels_squeezed": LAYOUTS[layout].field is not None,
    }
    if problem.steady:
        return {**names, "x": "what is given", "y": "what follows from it"}
    given = "frame t (and the constants and parameters, where listed)"
    return {**names, "x": given, "y": "frame t + 1"}


def write(source: Source, folder: Path, layout: str) -> Iterator[str]:
    """Write the files of a layout into ``folder`` and yield each name once it is there."""
    train, test, *trajectories = files(source.problem, source.setup, layout)
    for split, name in (("train", train), ("test", test)):
        x, y = _pairs(source, split, LAYOUTS[layout])
        save_tensors({"x": x, "y": y}, folder / name)
        yield name
    for name in trajectories:
        save_tensors(_trajectories(source), folder / name)
        yield name


def _prefix(problem: Problem, layout: str) -> str:
    return LAYOUTS[layout].stem or problem.name


def _fixed(problem: Problem) -> tuple[str, ...]:
    """Return the names of what does not change within a trajectory."""
    return (*problem.constants, *problem.parameters)


def _inputs(problem: Problem, layout: Layout) -> tuple[str, ...]:
    """Return the channels of x, in order."""
    if problem.steady:
        return _fixed(problem)
    return (*problem.fields, *_fixed(problem)) if layout.field is None else (layout.field,)


def _outputs(problem: Problem, layout: Layout) -> tuple[str, ...]:
    """Return the channels of y, in order."""
    return problem.fields if layout.field is None else (layout.field,)


def _pairs(source: Source, split: str, layout: Layout) -> tuple[Tensor, Tensor]:
    """Return x and y of a split, filled chunk by chunk so that nothing is held twice."""
    problem, setup = source.problem, source.setup
    samples, space = problem.samples(setup), (setup.size,) * problem.ndim
    lead = (source.counts[split], samples)
    inputs, outputs = _inputs(problem, layout), _outputs(problem, layout)
    x = torch.empty((*lead, len(inputs), *space), dtype=torch.float32)
    y = torch.empty((*lead, len(outputs), *space), dtype=torch.float32)
    start = 0
    for chunk in source.chunks(split):
        stop = start + len(chunk.fields)
        fixed = with_parameters(chunk.constants, chunk.parameters)
        channels = dict(zip(_fixed(problem), fixed[:, None].unbind(2), strict=True))
        channels.update(zip(problem.fields, chunk.fields[:, :samples].unbind(2), strict=True))
        for number, name in enumerate(inputs):
            x[start:stop, :, number] = channels[name]
        for number, name in enumerate(outputs):
            y[start:stop, :, number] = chunk.fields[:, -samples:, problem.fields.index(name)]
        start = stop
    pairs = x.flatten(0, 1), y.flatten(0, 1)
    return pairs if layout.field is None else (pairs[0].squeeze(1), pairs[1].squeeze(1))


def _trajectories(source: Source) -> dict[str, object]:
    chunks = list(source.chunks("test"))
    return {
        "fields": torch.cat([chunk.fields for chunk in chunks]).float(),
        "constants": torch.cat([chunk.constants for chunk in chunks]).float(),
        "parameters": torch.cat([chunk.parameters for chunk in chunks]).float(),
        "field_names": list(source.problem.fields),
        "constant_names": list(source.problem.constants),
        "parameter_names": list(source.problem.parameters),
        "interval": source.setup.interval,
    }


WRITER = Writer(
    name="neuraloperator",
    splits=("train", "test"),
    layouts=tuple(LAYOUTS),
    check=check,
    files=files,
    stem=stem,
    describe=describe,
    write=write,
)
