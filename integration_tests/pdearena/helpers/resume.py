"""Go on with a stock script's training: SCRIPT CHECKPOINT and the script's own arguments.

The parts are the script's; only ``ckpt_path`` is added. Prints one line of JSON.
"""

import json
import sys
from importlib import import_module

import torch

script, checkpoint, *arguments = sys.argv[1:]
stock = import_module(script)
cli_class = getattr(stock, "CondCLI", None) or getattr(stock, "PDECLI", None) or stock.utils.PDECLI
model = next(
    vars(stock)[name]
    for name in ("PDEModel", "CondPDEModel", "PDERefiner", "Maxwell3DPDEModel")
    if name in vars(stock)
)
data = getattr(stock, "CondPDEDataModule", None) or stock.PDEDataModule
sys.argv = [sys.argv[0], *arguments]
cli = cli_class(model, data, run=False, parser_kwargs={"parser_mode": "omegaconf"})
before = torch.load(checkpoint)
cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=checkpoint)
held = "model.core.normalizer.inputs.samples"
print(
    json.dumps(
        {
            "steps": [before["global_step"], cli.trainer.global_step],
            "epochs": [before["epoch"] + 1, cli.trainer.current_epoch],
            "samples": [
                int(state[held]) for state in (before["state_dict"], cli.model.state_dict())
            ],
            "criterion": cli.model.hparams["criterion"],
        }
    )
)
