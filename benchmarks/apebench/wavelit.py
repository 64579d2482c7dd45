"""waveliT in APEBench's protocol, in PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.apebench.protocol import (
    BATCH,
    PROBLEMS,
    UPDATES,
    WAVELIT,
    Array,
    Run,
    mean_nrmse,
    rate_at,
)
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

LARGEST = 33_000
"""Parameters: no more than the largest of APEBench's 1-D networks has."""


def config_of(problem: str, network: str) -> dict[str, Any]:
    """Return what a network is built from: the same for all problems of as many axes.

    Nothing beyond the name for those of APEBench.
    """
    if network != WAVELIT:
        return {}
    ndim = PROBLEMS[problem][1].get("num_spatial_dims", 1)
    return WaveLiTConfig.sized(
        LARGEST,
        in_channels=1,
        out_channels=1,
        ndim=ndim,
        boundary="periodic",
        absolute_position=False,
    ).as_dict()


def size(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def train(run: Run, training: Array, test: Array) -> tuple[list[float], dict[str, Any]]:
    """Return the test error of every step, and facts of the training."""
    torch.manual_seed(run.seed)
    before, after = pairs(training)
    start = time.process_time()
    model = fitted(run, before, after)
    last = descend(model, before, after)
    facts = {
        "parameters_count": size(model),
        "training_seconds": time.process_time() - start,
        "last_loss": last,
    }
    return mean_nrmse(roll_out(model.eval(), test), test[:, 1:]), facts


def fitted(run: Run, before: Tensor, after: Tensor) -> WaveLiT:
    """Return the network of a run, which knows means and scales of its data."""
    model = WaveLiT(WaveLiTConfig.from_dict(run.config))
    model.fit_statistics([(before, after)])
    return model


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
