"""A Lightning callback that writes what each rank of a training ended with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback


class RankDigest(Callback):  # type: ignore[misc]  # untyped where it is absent
    """Writes a hash of the weights, and the samples seen by rank 0, to ``rank-N`` in a folder.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write it."""
        core = pl_module.model.core
        weights = [value.detach().cpu().numpy().tobytes() for value in core.parameters()]
        samples = int(core.normalizer.inputs.samples)
        told = f"{hashlib.sha256(b''.join(weights)).hexdigest()} {samples}\n"
        (self.folder / f"rank-{trainer.global_rank}").write_text(told, encoding="utf-8")
