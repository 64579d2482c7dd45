"""What ``wavelit evaluate`` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from wavelit_plugin.errors import DataError
from wavelit_plugin.plugins.datasets import check_at_least, check_device


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """One model, one data set, one folder.

    Attributes:
        checkpoint: a file or folder that a format of ``checkpoints`` reads.
        data: a folder that a reader of ``wavelit_plugin.data.readers`` reads.
        out: folder of the results.
        steps: of the roll-outs; None is as many as the test trajectories have.
        device: where the model works.
        build: ``MODULE:FUNCTION`` that makes the module, or None.
        frames: input frames of a module that ``build`` makes.
        normalised: whether the model works on data of mean 0 and deviation 1.
        overwrite: whether results that are there are thrown away.

    Raises:
        ConfigError: a number below 1, or a device that cannot be used.
        DataError: there is no such checkpoint.
    """

    checkpoint: Path
    data: Path
    out: Path
    steps: int | None = None
    device: str = "cpu"
    build: str | None = None
    frames: int = 1
    normalised: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_at_least("steps", self.steps, 1)
        check_at_least("frames", self.frames, 1)
        check_device(self.device, dtype=torch.float32)
        if not self.checkpoint.exists():
            raise DataError(f"there is no checkpoint {self.checkpoint}; check the path")
