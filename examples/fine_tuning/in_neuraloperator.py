"""Fine-tune in neuraloperator's Trainer: begin with a model that it saved, on another data set.

python in_neuraloperator.py SAVED DATA NAME [EPOCHS]

SAVED is the ``save_dir`` of the first training. DATA holds NAME_train_SIZE.pt, as is written by
``wavelit data make NAME --host neuraloperator --out DATA``.
"""

import json
import sys
from pathlib import Path

import torch
from neuralop import LpLoss, Trainer
from neuralop.data.datasets.pt_dataset import PTDataset
from torch.utils.data import DataLoader

from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator

saved, folder, name = sys.argv[1:4]
epochs = int(sys.argv[4]) if len(sys.argv) > 4 else 10
(train_file,) = Path(folder).glob(f"{name}_train_*.pt")
size = int(train_file.stem.rpartition("_")[2])

data = PTDataset(
    root_dir=folder,
    dataset_name=name,
    n_train=16,
    n_tests=[8],
    batch_size=4,
    test_batch_sizes=[4],
    train_resolution=size,
    test_resolutions=[size],
    channels_squeezed=False,
)

model = WaveLiTOperator.from_checkpoint(saved, "model")
model.core.reset_running_stats()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
l2 = LpLoss(d=2, p=2)
# not resume_from_dir, which goes on with the first training: its epoch, optimizer and schedule
metrics = Trainer(model=model, n_epochs=epochs, data_processor=data.data_processor).train(
    DataLoader(data.train_db, batch_size=4, shuffle=True),
    {size: DataLoader(data.test_dbs[size], batch_size=4)},
    optimizer,
    torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs),
    training_loss=l2,
    eval_losses={"l2": l2},
)
print(json.dumps({name: float(value) for name, value in metrics.items() if "l2" in name}))
