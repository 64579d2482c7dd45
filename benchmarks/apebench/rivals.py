"""APEBench itself: its data, and its networks trained by itself. Needs its own environment."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from apebench.scenarios import difficulty

from benchmarks.apebench.protocol import PROBLEMS, Array, Run


def scenario(problem: str) -> Any:
    """Return APEBench's scenario of a problem."""
    name, changes = PROBLEMS[problem]
    return getattr(difficulty, name)(**changes)


def data(problem: str, folder: Path) -> tuple[Array, Array]:
    """Return (trajectory, frame, channel, *space) for training and test, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{problem}-{part}.npy" for part in ("train", "test")]
    if not all(path.exists() for path in paths):
        of = scenario(problem)
        for path, made in zip(paths, (of.get_train_data(), of.get_test_data()), strict=True):
            partial = path.with_name(f"partial-{path.name}")
            np.save(partial, np.asarray(made))
            partial.replace(path)
    train, test = map(np.load, paths)
    return train, test


def train(run: Run) -> tuple[list[float], dict[str, Any]]:
    """Return the test error of every step, and facts of the training."""
    of = scenario(run.problem)
    keys = jax.random.split(jax.random.PRNGKey(run.seed), 2)
    network = of.get_neural_stepper(task_config="predict", network_config=run.network, key=keys[0])
    trainer = of.get_trainer(train_config="one")
    start = time.process_time()
    network, losses, _ = trainer(network, keys[1], record_loss_every=100, spawn_tqdm=False)
    facts = {
        "parameters_count": of.get_parameter_count(run.network),
        "training_seconds": time.process_time() - start,
        "last_loss": float(losses[-1]),
    }
    errors = of.perform_tests(network, remove_singleton_axis=True)["mean_nRMSE"][0]
    return [float(error) for error in errors], facts
