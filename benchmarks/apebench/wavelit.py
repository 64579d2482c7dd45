"""waveliT in APEBench's protocol, in PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.apebench.protocol import BATCH, PROBLEMS, UPDATES, Array, Run, mean_nrmse, rate_at
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

LARGEST = 33_000
"""Parameters in 1-D: no more than the largest of APEBench's networks has."""

_SIZE: dict[str, Any] = {"width": 24, "depth": 2, "heads": 2, "levels": 1}


def config_of(problem: str) -> dict[str, Any]:
    """Return the configuration for a problem: the same for all of as many axes."""
    ndim = PROBLEMS[problem][1].get("num_spatial_dims", 1)
    channels = {"in_channels": 1, "out_channels": 1, "ndim": ndim}
    return WaveLiTConfig.from_dict(
        {**channels, **_SIZE, "boundary": "periodic", "absolute_position": False}
    ).as_dict()


def train(run: Run, training: Array, test: Array) -> tuple[list[float], dict[str, Any]]:
    """Return the test error of every step, and facts of the training."""
    torch.manual_seed(run.seed)
    model = WaveLiT(WaveLiTConfig.from_dict(run.config))
    before, after = pairs(training)
    start = time.process_time()
    model.fit_statistics([(before, after)])
    last = descend(model, before, after)
    facts = {
        "parameters_count": sum(p.numel() for p in model.parameters()),
        "training_seconds": time.process_time() - start,
        "last_loss": last,
    }
    return mean_nrmse(roll_out(model.eval(), test), test[:, 1:]), facts


def pairs(trajectories: Array) -> tuple[Tensor, Tensor]:
    """Return each frame of the trajectories that has a next one, and the next ones."""
    u = torch.from_numpy(trajectories)
    return u[:, :-1].flatten(0, 1), u[:, 1:].flatten(0, 1)


def descend(model: nn.Module, before: Tensor, after: Tensor, updates: int = UPDATES) -> float:
    """Train on the mean squared error of one step, and return the last of it."""
    optimizer = torch.optim.Adam(model.parameters())
    loader = DataLoader(TensorDataset(before, after), batch_size=BATCH, shuffle=True)
    update, loss = 0, torch.zeros(())
    while update < updates:
        for u, target in loader:
            optimizer.param_groups[0]["lr"] = rate_at(update, updates, updates // 5)
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(u), target)
            loss.backward()
            optimizer.step()
            update += 1
            if update == updates:
                break
    return loss.item()


@torch.no_grad()
def roll_out(step: Callable[[Tensor], Tensor], test: Array) -> Array:
    """Return what follows from the first frame of each test trajectory, for all other frames."""
    u, frames = torch.from_numpy(test[:, 0]), []
    for _ in range(test.shape[1] - 1):
        u = step(u)
        frames.append(u.numpy())
    return np.stack(frames, axis=1)
