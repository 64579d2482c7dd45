"""One rank of two: the host's get_model and Trainer around torch's DDP on gloo. DATA

The Trainer's own ``use_distributed`` pins every model to a CUDA device, so the model comes wrapped.
"""

import hashlib
import sys

import torch
import torch.distributed as dist
from neuralop import LpLoss, Trainer, get_model
from neuralop.data.datasets.pt_dataset import PTDataset
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
from zencfg.bunch import Bunch

dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
data = PTDataset(
    root_dir=sys.argv[1],
    dataset_name="acoustics",
    n_train=16,
    n_tests=[],
    batch_size=4,
    test_batch_sizes=[],
    train_resolution=32,
    test_resolutions=[],
    channels_squeezed=False,
)
options = {"width": 16, "heads": 1, "depth": 2, "pyramid_scales": 2}
model = get_model(
    Bunch({"model": {"model_arch": "waveliT", "data_channels": 5, "out_channels": 3, **options}})
)
wrapped = DistributedDataParallel(model)  # raises on the second step if a parameter is unused
optimizer = torch.optim.AdamW(wrapped.parameters(), lr=1e-3)
Trainer(model=wrapped, n_epochs=2, data_processor=data.data_processor).train(
    DataLoader(data.train_db, batch_size=4, sampler=DistributedSampler(data.train_db)),
    {},
    optimizer,
    torch.optim.lr_scheduler.StepLR(optimizer, step_size=10),
    training_loss=LpLoss(d=2, p=2),
    eval_losses={},
)
with torch.no_grad():  # as its statistics are handed on, when the next forward begins
    wrapped.eval()(x=data.train_db[0]["x"][None])
state = model.core.state_dict()
digest = hashlib.sha256(b"".join(t.numpy().tobytes() for t in state.values())).hexdigest()
samples = int(model.core.normalizer.inputs.samples)
# one write, so that the lines of two processes do not mix
sys.stdout.write(f"rank {dist.get_rank()} {digest} {samples}\n")
dist.destroy_process_group()
