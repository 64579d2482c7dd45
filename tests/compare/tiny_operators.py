"""Operators that train in no time. As a script: the command line, with these operators alone."""

import signal
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from wavelit_plugin.cli import main
from wavelit_plugin.compare import comparison, contestants, report, store
from wavelit_plugin.errors import HostError
from wavelit_plugin.plugins.baselines import BASELINES
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

RATES = (3e-3, 1e-2, 3e-2)


class Tiny(nn.Module):
    """Two convolutions, one with complex weights as in spectral operators, and some dropout."""

    def __init__(self, task: GridTask, width: int | None) -> None:
        super().__init__()
        width = width or 4
        self.inner = nn.Conv2d(task.in_channels, width, 3, padding=1)
        self.outer = nn.Conv2d(width, task.out_channels, 1)
        self.mix = nn.Parameter(torch.ones(width, dtype=torch.complex64))
        self.dropout = nn.Dropout(0.1)

    def forward(self, u: Tensor) -> Tensor:
        hidden = torch.fft.rfft2(self.inner(u)) * self.mix[:, None, None]
        return self.outer(self.dropout(torch.fft.irfft2(hidden, s=u.shape[2:]).tanh()))


class Explodes(Tiny):
    """Answers with infinity from its third training step on."""

    steps = 0

    def forward(self, u: Tensor) -> Tensor:
        self.steps += self.training
        return super().forward(u) * (torch.inf if self.steps > 2 else 1.0)


class Fails(Tiny):
    """A module with a fault that only shows in training."""

    def forward(self, u: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("out of memory\nin a place that nobody wants to read about")
        return super().forward(u)


def record(name: str, build: Callable[[GridTask, int | None], nn.Module]) -> OperatorRecord:
    return OperatorRecord(
        name=name,
        summary="for tests",
        ecosystem="tests",
        build=build,
        widths=lambda _: range(1, 33),
        learning_rates=RATES,
    )


OPERATORS = (
    record("tiny", Tiny),
    record("waveliT", lambda task, width: Tiny(task, width or 8)),
    record("explodes", Explodes),
    record("fails", Fails),
    OperatorRecord(
        name="absent",
        summary="not installed",
        ecosystem="tests",
        build=Tiny,
        missing=lambda: "its package is not installed",
    ),
    OperatorRecord(
        name="picky",
        summary="does nothing",
        ecosystem="tests",
        build=Tiny,
        takes=lambda _: "it takes 3-D fields only",
    ),
    *BASELINES,
)


def known() -> tuple[OperatorRecord, ...]:
    return OPERATORS


def die_in_the_middle_of_run(number: int) -> None:
    """Make this process kill itself when it has written half of its record of a run."""
    import os
    from pathlib import Path

    from wavelit_plugin import files

    kept = [0]

    def write(path: Path, content: dict[str, object]) -> Path:
        kept[0] += path.parent.name == store.RUNS
        if kept[0] < number:
            return files.write_json(path, content)
        with files.whole(path) as draft:
            draft.write_text('{"settings": "0123')
            os.kill(os.getpid(), signal.SIGKILL)
        return path

    setattr(store, "write_json", write)  # noqa: B010  (not exported, for a type checker)


def no_report(folder: object) -> None:
    raise HostError("figures need matplotlib")


if __name__ == "__main__":
    # a shell starts what it runs in the background with interrupts ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    for module in (contestants, comparison):
        setattr(module, "operators", known)  # noqa: B010
    setattr(report, "write_report", no_report)  # noqa: B010
    dies, *arguments = sys.argv[1:]
    if int(dies):
        die_in_the_middle_of_run(int(dies))
    sys.exit(main(arguments))
