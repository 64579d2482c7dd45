"""Acoustic waves with neuraloperator's parts in a script of one's own.

The data set comes first:
    wavelit data make acoustics --host neuraloperator --size 64 --trajectories 48 --out acoustics
Then: python acoustics.py [DATA_FOLDER [EPOCHS]]
"""

import json
import sys
from pathlib import Path

import torch
from neuralop import LpLoss, Trainer, get_model
from neuralop.data.datasets.pt_dataset import PTDataset
from torch.utils.data import DataLoader
from zencfg.bunch import Bunch

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "acoustics")
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
(train_file,) = folder.glob("acoustics_train_*.pt")
size = int(train_file.stem.rpartition("_")[2])

data = PTDataset(
    root_dir=folder,
    dataset_name="acoustics",
    n_train=960,
    n_tests=[240],
    batch_size=8,
    test_batch_sizes=[16],
    train_resolution=size,
    test_resolutions=[size],
    encode_input=True,
    encode_output=True,
    channels_squeezed=False,
)
train = DataLoader(data.train_db, batch_size=8, shuffle=True)
test = {size: DataLoader(data.test_dbs[size], batch_size=16)}

config = Bunch({"model": {"model_arch": "waveliT", "data_channels": 5, "out_channels": 3}})
model = get_model(config)

optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3, weight_decay=1e-4)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
trainer = Trainer(model=model, n_epochs=epochs, data_processor=data.data_processor, verbose=True)
l2 = LpLoss(d=2, p=2)
metrics = trainer.train(train, test, optimizer, schedule, training_loss=l2, eval_losses={"l2": l2})
print(json.dumps({name: float(value) for name, value in metrics.items() if "l2" in name}))
