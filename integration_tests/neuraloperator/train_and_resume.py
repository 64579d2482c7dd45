"""Train a small waveliT with the host's Trainer: DATA SAVE_FOLDER EPOCHS [resume].

Prints a hash of the statistics and the last test error.
"""

import hashlib
import sys

import torch
from neuralop import LpLoss, Trainer, get_model
from neuralop.data.datasets.pt_dataset import PTDataset
from torch.utils.data import DataLoader
from zencfg.bunch import Bunch

folder, saved, epochs, resume = sys.argv[1], sys.argv[2], int(sys.argv[3]), len(sys.argv) > 4
torch.manual_seed(0)
data = PTDataset(
    root_dir=folder,
    dataset_name="acoustics",
    n_train=16,
    n_tests=[8],
    batch_size=4,
    test_batch_sizes=[4],
    train_resolution=32,
    test_resolutions=[32],
    channels_squeezed=False,
)
small = {"width": 16, "heads": 1, "depth": 1, "boundary": ["open", "wall"]}
model = get_model(
    Bunch({"model": {"model_arch": "waveliT", "data_channels": 5, "out_channels": 3, **small}})
)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
trainer = Trainer(model=model, n_epochs=epochs, data_processor=data.data_processor, verbose=True)
l2 = LpLoss(d=2, p=2)
metrics = trainer.train(
    DataLoader(data.train_db, batch_size=4),
    {32: DataLoader(data.test_dbs[32], batch_size=4)},
    optimizer,
    torch.optim.lr_scheduler.StepLR(optimizer, step_size=10),
    training_loss=l2,
    eval_losses={"l2": l2},
    save_every=1,
    save_dir=saved,
    resume_from_dir=saved if resume else None,
)


digest = hashlib.sha256(model.core.normalizer.input_mean.numpy().round(5).tobytes()).hexdigest()
print(digest[:8], float(metrics["32_l2"]))
