"""Fine-tune in The Well's own train.py: a model that begins with the weights of a checkpoint.

PYTHONPATH=examples/fine_tuning python train.py experiment=wavelit data=NAME \
    model._target_=in_the_well.pretrained +model.checkpoint=PATH
"""

from typing import Any

import torch

from wavelit_plugin.hosts.the_well.model import WaveLiTModel


def pretrained(*, checkpoint: str, **options: Any) -> WaveLiTModel:
    """Return the model of these options with the weights of a checkpoint of the Trainer's."""
    model = WaveLiTModel(**options)
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model.load_state_dict(saved["model_state_dict"])
    model.core.reset_running_stats()
    return model
