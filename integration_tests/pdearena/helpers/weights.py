"""A Lightning callback that writes the criterion's weight of each batch, and saves half-way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback


class Weights(Callback):  # type: ignore[misc]  # untyped where it is absent
    """Adds lines [epoch, batch, weight] to ``weights`` in a folder.

    It saves ``epoch.ckpt`` there after the seventh epoch, and ``batch.ckpt`` within the ninth.

    Args:
        folder: an existing folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, _outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        """Write the weight that the batch was trained with."""
        weight = pl_module.train_criterion.term.weight
        with (self.folder / "weights").open("a", encoding="utf-8") as file:
            file.write(json.dumps([trainer.current_epoch, batch_idx, weight]) + "\n")
        if (trainer.current_epoch, batch_idx) == (8, 1):
            trainer.save_checkpoint(self.folder / "batch.ckpt")

    def on_train_epoch_end(self, trainer: Any, _pl_module: Any) -> None:
        """Save once."""
        if trainer.current_epoch == 6:
            trainer.save_checkpoint(self.folder / "epoch.ckpt")
