"""The way into PDEArena by its configuration alone, where PyTorch's autoload is switched off.

    trainer:
      callbacks:
        - class_path: wavelit_plugin.hosts.pdearena.callback.WaveLiTCallback

Lightning's command line imports the classes of ``trainer.callbacks`` before it builds the model,
and importing this module registers. As a callback the class does nothing.
"""

from __future__ import annotations

from pytorch_lightning import Callback

from wavelit_plugin.plugins import activate

activate()


class WaveLiTCallback(Callback):  # type: ignore[misc]  # untyped where it is absent
    """Names this module in a configuration; see there."""
