"""waveliT and its candidate in APEBench's protocol, in PyTorch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.apebench.protocol import (
    BATCH,
    PROBLEMS,
    PYRAMID,
    UPDATES,
    WAVELIT,
    Array,
    Run,
    mean_nrmse,
    rate_at,
)
from benchmarks.apebench.pyramid import Block, Pyramid, PyramidConfig
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

LARGEST = 33_000
"""Parameters in 1-D: no more than the largest of APEBench's networks has."""

_SIZE: dict[str, Any] = {"width": 24, "depth": 2, "heads": 2, "levels": 1}


def config_of(problem: str, network: str) -> dict[str, Any]:
    """Return what a network is built from: the same for all problems of as many axes.

    Nothing beyond the name for those of APEBench.
    """
    ndim = PROBLEMS[problem][1].get("num_spatial_dims", 1)
    if network == PYRAMID:
        return largest_pyramid().as_dict() | {"boundary": ["periodic"] * ndim}
    if network != WAVELIT:
        return {}
    channels = {"in_channels": 1, "out_channels": 1, "ndim": ndim}
    return WaveLiTConfig.from_dict(
        {**channels, **_SIZE, "boundary": "periodic", "absolute_position": False}
    ).as_dict()


@cache
def largest_pyramid(**knobs: Any) -> PyramidConfig:
    """Return the widest pyramid that is no larger than LARGEST in 1-D."""
    for features in itertools.count(2, 2):
        wider = PyramidConfig(1, 1, ("periodic",), features=features, **knobs)
        if size(Block(wider)) > LARGEST:
            return replace(wider, features=features - 2)
    raise AssertionError  # the loop has no end


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


def fitted(run: Run, before: Tensor, after: Tensor) -> nn.Module:
    """Return the network of a run, which knows means and scales of its data."""
    if run.network == PYRAMID:
        pyramid = Pyramid(PyramidConfig.from_dict(run.config))
        pyramid.fit_statistics(before, after)
        return pyramid
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
