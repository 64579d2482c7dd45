"""Fine-tune in PDEArena: as its scripts/train.py, but begin with the weights of a checkpoint.

python in_pdearena.py CHECKPOINT -c CONFIG --data.data_dir DATA
"""

import sys

import torch
from pdearena.data.datamodule import PDEDataModule
from pdearena.models.pdemodel import PDEModel
from pdearena.utils import PDECLI

checkpoint = sys.argv.pop(1)
cli = PDECLI(
    PDEModel,
    datamodule_class=PDEDataModule,
    seed_everything_default=42,
    save_config_kwargs={"overwrite": True},
    run=False,
    parser_kwargs={"parser_mode": "omegaconf"},
)

cli.model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
cli.model.model.core.reset_running_stats()
# not ckpt_path, which goes on with the first training: its epoch, optimizer and schedule
cli.trainer.fit(cli.model, datamodule=cli.datamodule)
