"""A Lightning callback that writes what each rank of a training ended with."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback


class RankDigest(Callback):  # type: ignore[misc]  # untyped where it is absent
    """Writes a hash of weights and statistics, and the samples seen, to ``rank-N`` in a folder.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Write it."""
        core = pl_module.model.core
        state = core.state_dict().values()
        digest = hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in state))
        told = f"{digest.hexdigest()} {int(core.normalizer.inputs.samples)}\n"
        (self.folder / f"rank-{trainer.global_rank}").write_text(told, encoding="utf-8")
