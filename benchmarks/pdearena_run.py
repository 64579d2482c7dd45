"""One training in PDEArena's own modules and loops: reads a Run as JSON, prints its result.

    python -m benchmarks.pdearena_run '{"data": "FOLDER", "task": "NavierStokes2D", ...}'

A process of its own gives the memory back, and whatever ends it ends one training only.
"""

from __future__ import annotations

import json
import logging
import math
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from pdearena.data.cond_datamodule import CondPDEDataModule
from pdearena.data.datamodule import PDEDataModule
from pdearena.data.utils import PDEDataConfig
from pdearena.lr_scheduler import LinearWarmupCosineAnnealingLR
from pdearena.models.cond_pdemodel import CondPDEModel
from pdearena.models.pdemodel import PDEModel
from pdearena.modules.loss import scaledlp_loss
from pytorch_lightning import Callback, Trainer, seed_everything
from torch import Tensor, nn

from benchmarks.pdearena_plan import PERSISTENCE, TASKS, Run
from wavelit_plugin.hosts.layout import frames_to_channels
from wavelit_plugin.metrics import vrmse

FIELDS = ("scalar", "vector_x", "vector_y")
STRIDE = {"ShallowWater2DVel-2Day": (4, 8)}  # first frame and stride of the task's data pipe


class Persistence(nn.Module):
    """Predicts the last frame."""

    def forward(self, x: Tensor, *conditions: Tensor) -> Tensor:
        del conditions
        return x[:, -1:]


class Clock(Callback):  # type: ignore[misc]  # untyped where it is absent
    """Seconds of every training step, loading of the batch left out."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seconds: list[float] = []
        self.losses: list[float] = []
        self._start = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self._wait()
        self._start = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        del trainer, module
        self._wait()
        self.seconds.append(time.perf_counter() - self._start)
        self.losses.append(float(outputs["loss"]))

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


class FieldErrors(Callback):  # type: ignore[misc]
    """Errors a field of the single steps that the host's test loop predicts."""

    def __init__(self, loader: int) -> None:
        self.loader = loader
        self.vrmse: list[Tensor] = []
        self.scaledl2: list[Tensor] = []
        self._seen: list[Tensor] = []

    def on_test_start(self, trainer: Any, module: Any) -> None:
        del trainer
        module.model.register_forward_hook(lambda _, __, output: self._seen.append(output))

    def on_test_batch_end(self, *given: Any) -> None:
        _, _, _, batch, _, loader = given
        if loader == self.loader:
            prediction, target = self._seen[-1], batch[1]
            fields = vrmse(frames_to_channels(prediction), frames_to_channels(target))
            self.vrmse.append(fields.cpu())
            self.scaledl2.append(scaledlp_loss(prediction, target, reduction="none").cpu())
        self._seen.clear()

    def means(self) -> dict[str, float]:
        """Return the means over the samples."""
        fields = torch.cat(self.vrmse).mean(dim=0)
        found = {f"vrmse_{name}": float(v) for name, v in zip(FIELDS, fields, strict=True)}
        return {
            "one_step_scaledl2": float(torch.cat(self.scaledl2).mean()),
            "vrmse_one_step": float(fields.mean()),
            **found,
        }


def stored(run: Run, split: str) -> tuple[int, int]:
    """Return the trajectories of a split and the frames of each, as the task's pipe gives them."""
    import h5py
    import xarray

    first, stride = STRIDE.get(run.task, (0, 1))
    folder = Path(run.data)
    if run.task in STRIDE:
        shape = xarray.open_zarr(folder / f"{split}.zarr")["u"].shape
    else:
        (path,) = folder.glob(f"*{split}*.h5")
        with h5py.File(path) as file:
            shape = file[split]["u"].shape
    return int(shape[0]), len(range(first, int(shape[1]), stride))


def build(run: Run) -> tuple[Any, Any]:
    """Return the host's Lightning module and data module."""
    task, frames = TASKS[run.task], stored(run, "test")[1]
    pde = PDEDataConfig(
        n_scalar_components=1, n_vector_components=1, trajlen=frames, n_spatial_dim=2
    )
    times = {"time_history": task.history, "time_future": 1, "time_gap": 0}
    data = {
        "task": run.task,
        "data_dir": run.data,
        "pde": pde,
        "batch_size": run.batch_size,
        "pin_memory": False,
        "num_workers": 0,  # the order of the batches is that of one process
        "train_limit_trajectories": -1,
        "valid_limit_trajectories": min(run.valid or 1, stored(run, "valid")[0]),
        "test_limit_trajectories": min(run.test, stored(run, "test")[0]),
    }
    model = {
        "name": "waveliT" if run.operator == PERSISTENCE else run.operator,
        "max_num_steps": run.rollout,
        "activation": "gelu",
        "criterion": run.criterion,
        "lr": run.rate,
        "pdeconfig": pde,
    }
    if task.conditioned:  # the host needs two loaders; the first repeats single steps after a while
        module = CondPDEModel(**model, param_conditioning="scalar")
        return module, CondPDEDataModule(**data, eval_dts=[1, 4])
    return PDEModel(**model, **times), PDEDataModule(**data, **times)


def optimizers(module: Any, run: Run) -> dict[str, Any]:
    """Return AdamW and the host's schedule, as its configurations have them, but by the step."""
    optimizer = torch.optim.AdamW(module.model.parameters(), lr=run.rate)
    schedule = LinearWarmupCosineAnnealingLR(
        optimizer,
        warmup_epochs=max(2, run.steps // 10),
        max_epochs=max(4, run.steps),
        warmup_start_lr=1e-8,
        eta_min=1e-8,
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }


def trainer(run: Run, callbacks: list[Any]) -> Any:
    """Return a Trainer that trains for the steps, and validates only when it is told to."""
    batches = None
    if TASKS[run.task].conditioned:  # later batches of the host's loaders repeat the same pairs
        trajectories = max(run.valid, run.test)
        batches = math.ceil(trajectories * (stored(run, "test")[1] - 1) / run.batch_size)
    return Trainer(
        accelerator="gpu" if run.device == "cuda" else "cpu",
        devices=1,
        max_steps=run.steps,
        max_epochs=-1,
        check_val_every_n_epoch=10**9,
        num_sanity_val_steps=0,
        limit_val_batches=batches,
        limit_test_batches=batches,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def perform(run: Run) -> dict[str, float | int | None]:
    """Train, validate, test; return the figures, None for what is not finite."""
    start = time.perf_counter()
    seed_everything(run.seed)
    module, data = build(run)
    clock, errors = Clock(run.device), FieldErrors(TASKS[run.task].one_step_loader)
    loop = trainer(run, [clock, errors])
    found: dict[str, Any] = {}
    if run.operator == PERSISTENCE:
        module.model = Persistence()
    else:
        # as LightningCLI does where a configuration has an optimizer
        module.configure_optimizers = lambda: optimizers(module, run)
        seed_everything(run.seed)  # building took another number of draws for each operator
        loop.fit(module, datamodule=data)
    for evaluate in (loop.validate, loop.test)[0 if run.valid else 1 :]:
        seed_everything(0)  # the host's means are bootstrapped
        evaluate(module, datamodule=data, verbose=False)
        found.update(loop.callback_metrics)
    named = {key: float(found[host]) for key, host in metrics_of(run).items()}
    return {
        "parameters_count": sum(p.numel() * (1 + p.is_complex()) for p in module.parameters()),
        "step_seconds": statistics.median(clock.seconds) if clock.seconds else None,
        "training_seconds": sum(clock.seconds),
        "run_seconds": time.perf_counter() - start,
        "last_losses": _finite(statistics.fmean(clock.losses[-10:])) if clock.losses else None,
        **{key: _finite(value) for key, value in {**named, **errors.means()}.items()},
    }


def metrics_of(run: Run) -> dict[str, str]:
    """Return the names of what is logged in this run."""
    named = TASKS[run.task].metrics
    return named if run.valid else {k: v for k, v in named.items() if k != "chosen_by"}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def main() -> None:
    """Perform the run of the first argument."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    print(json.dumps(perform(Run(**json.loads(sys.argv[1])))), flush=True)


if __name__ == "__main__":
    main()
