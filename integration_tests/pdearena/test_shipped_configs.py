"""Each shipped configuration, in the stock script: fit, validation, test of the best, resuming."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from integration_tests.pdearena.conftest import (
    BATCH,
    Resume,
    Train,
    checkpoints,
    hyperparameters,
    logged,
)

# PDEArena and the Lightning of its time warn about themselves
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SHORT = ("--trainer.limit_train_batches", "10", "--trainer.limit_val_batches", "2")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration and its script.

    Attributes:
        script: its name.
        config: the configuration's.
        task: whose data it reads.
        criterion: asked for on the command line; empty for the configuration's.
        tested: a metric that the test of the best checkpoint logs; empty where none is made.
        options: further ones, which only shorten the run.
    """

    script: str
    config: str
    task: str
    criterion: str = ""
    tested: str = "test/unrolled_loss_mean"
    options: tuple[str, ...] = ()

    def given(self, epochs: int) -> tuple[str, ...]:
        """Return the options of a run."""
        asked = ("--model.criterion", self.criterion) if self.criterion else ()
        return (*SHORT, *self.options, *asked, "--trainer.max_epochs", str(epochs))


CASES = (
    Case(
        script="train.py",
        config="navierstokes2d.yaml",
        task="NavierStokes2D",
        criterion="wavelet+mse",
    ),
    Case(
        script="train.py",
        config="shallowwater2d_2day.yaml",
        task="ShallowWater2DVel-2Day",
    ),
    Case(
        script="cond_train.py",
        config="cond_navierstokes2d.yaml",
        task="Cond-NavierStokes2D",
        criterion="wavelet+scaledl2",
        tested="test/unrolled_loss/dataloader_idx_0",
        options=("--data.eval_dts", "[1,2]", "--trainer.limit_test_batches", "2"),
    ),
    Case(
        script="pderefiner_train.py",
        config="kuramotosivashinsky1d.yaml",
        task="KuramotoSivashinsky1D",
        options=("--trainer.check_val_every_n_epoch", "1"),
    ),
    Case(
        script="maxwell3d.py",
        config="maxwell3d.yaml",
        task="Maxwell3D",
        criterion="wavelet",
        tested="",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.config)
def test_a_shipped_configuration_trains_tests_and_resumes(
    train: Train, resume: Resume, tmp_path: Path, case: Case
) -> None:
    out, asked = tmp_path / "out", case.criterion or "mse"
    done = train(case.script, case.config, case.task, *case.given(2))
    first, last = logged(out, "train/loss_mean")
    assert last < first
    assert hyperparameters(out)["criterion"] == asked
    if case.tested:
        assert "Loaded model weights from checkpoint" in done.stderr
        assert logged(out, case.tested)
    # plain types only, so that PyTorch loads it without being told to trust it
    saved = checkpoints(out)[0]
    assert torch.load(saved, weights_only=True)["hyper_parameters"]["criterion"] == asked
    told = resume(case.script, case.config, case.task, *case.given(3), checkpoint=saved)
    before, after = told["steps"]
    assert 2 * after == 3 * before > 0
    assert told["epochs"] == [2, 3]
    assert told["criterion"] == asked
    # the statistics of the data went on from where they were
    assert told["samples"][1] == told["samples"][0] + BATCH * (after - before)
