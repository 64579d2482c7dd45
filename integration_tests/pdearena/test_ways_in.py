"""Each way into the stock scripts/train.py, in a fresh process, and what is trained then."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from integration_tests.conftest import ROOT, Run
from integration_tests.pdearena.conftest import (
    BATCH,
    CONFIGS,
    Data,
    Train,
    arguments,
    checkpoints,
    hyperparameters,
    logged,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TASK, CONFIG = "NavierStokes2D", "navierstokes2d.yaml"
OFF = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
CALLBACK = "wavelit_plugin.hosts.pdearena.callback.WaveLiTCallback"
QUICK = (
    *("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"),
    *("--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1"),
)


def trained_model(out: Path) -> set[str]:
    """Return the names of the trained tensors' owners."""
    state = torch.load(checkpoints(out)[0], weights_only=True)["state_dict"]
    return {name.split(".")[1] for name in state}


def test_without_any_way_in_the_script_does_not_know_the_model(train: Train) -> None:
    failed = train("train.py", CONFIG, TASK, *QUICK, environment=OFF, code=1)
    assert "Model not found in registry" in failed.stderr


def test_the_callback_in_the_configuration(train: Train, tmp_path: Path) -> None:
    callback = ("--trainer.callbacks+", CALLBACK)
    asked = ("--model.criterion", "wavelet+scaledl2")
    train("train.py", CONFIG, TASK, *QUICK, *callback, *asked, environment=OFF)
    assert trained_model(tmp_path / "out") == {"core"}
    assert hyperparameters(tmp_path / "out")["criterion"] == "wavelet+scaledl2"


def test_wavelit_run_and_its_criterion(train: Train, tmp_path: Path) -> None:
    before = ("-m", "wavelit_plugin.cli", "run", "--criterion", "wavelet")
    train("train.py", CONFIG, TASK, *QUICK, before=before, environment=OFF)
    assert trained_model(tmp_path / "out") == {"core"}
    # the configuration says mse
    assert hyperparameters(tmp_path / "out")["criterion"] == "wavelet+mse"


def test_wavelit_run_alone_keeps_the_criterion(train: Train, tmp_path: Path) -> None:
    before = ("-m", "wavelit_plugin.cli", "run")
    train("train.py", CONFIG, TASK, *QUICK, before=before, environment=OFF)
    assert trained_model(tmp_path / "out") == {"core"}
    assert hyperparameters(tmp_path / "out")["criterion"] == "mse"


def test_a_class_and_its_knobs_in_the_configuration(train: Train, tmp_path: Path) -> None:
    """PDEArena's own way for models that are in no registry; no registration is needed."""
    config = tmp_path / "own.yaml"
    knobs = "width: 16, heads: 1, depth: 1, boundary: periodic, wavelet: db4"
    sizes = ", ".join(
        f"n_{side}put_{kind}_components: 1"
        for side in ("in", "out")
        for kind in ("scalar", "vector")
    )
    config.write_text(
        "model:\n  name: mine\n  model:\n"
        "    class_path: wavelit_plugin.hosts.pdearena.WaveLiTFields\n"
        f"    init_args: {{{sizes}, time_history: 4, time_future: 1, {knobs}}}\n",
        encoding="utf-8",
    )
    train("train.py", CONFIG, TASK, "-c", str(config), *QUICK, environment=OFF)
    state = torch.load(checkpoints(tmp_path / "out")[0], weights_only=True)
    tensors = state["state_dict"]
    assert sum(tensor.numel() for tensor in tensors.values()) < 100_000
    assert state["hyper_parameters"]["model"]["init_args"]["boundary"] == "periodic"


def test_fine_tuning_begins_with_the_weights_alone(
    train: Train, host_run: Run, data: Data, tmp_path: Path
) -> None:
    train("train.py", CONFIG, TASK, *QUICK)
    first = checkpoints(tmp_path / "out")[0]
    script = ROOT / "examples" / "fine_tuning" / "in_pdearena.py"
    # a rate of zero: what is saved are the weights that it began with
    frozen = ("--optimizer", "SGD", "--optimizer.lr", "0.0")
    host_run(script, first, *arguments(CONFIGS / CONFIG, data(TASK), *QUICK, *frozen))
    before, after = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (first, checkpoints(tmp_path / "out")[0])
    )
    assert before.keys() == after.keys()
    weights = [name for name in before if ".normalizer." not in name]
    assert all(torch.equal(before[name], after[name]) for name in weights)
    samples = "model.core.normalizer.inputs.samples"
    assert int(after[samples]) == int(before[samples]) == 2 * BATCH


# Lightning-AI/pytorch-lightning#6675: the learning-rate finder leaves the model changed
def test_a_learning_rate_finder_leaves_the_statistics_as_they_were(
    train: Train, tmp_path: Path
) -> None:
    finder = (
        *("--trainer.callbacks+", "pytorch_lightning.callbacks.LearningRateFinder"),
        *("--trainer.callbacks.num_training_steps", "5"),
        *("--trainer.callbacks.early_stop_threshold", "null"),
    )
    done = train("train.py", CONFIG, TASK, *QUICK, *finder)
    assert "Finding best initial lr" in done.stderr
    state = torch.load(checkpoints(tmp_path / "out")[0], weights_only=True)["state_dict"]
    # of the two batches of training alone
    assert int(state["model.core.normalizer.inputs.samples"]) == 2 * BATCH


def test_the_hosts_own_models_train_to_the_same_bits(train: Train, tmp_path: Path) -> None:
    options = ("--model.name", "ResNet-128", *QUICK)
    train("train.py", CONFIG, TASK, *options, environment={"WAVELIT_AUTOLOAD": "0"})
    without = logged(tmp_path / "out", "train/loss")
    train("train.py", CONFIG, TASK, *options)
    both = logged(tmp_path / "out", "train/loss")
    assert len(without) == 2
    assert both == without * 2
