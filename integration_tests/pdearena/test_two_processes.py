"""Lightning's ddp strategy on two CPU processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.pdearena.conftest import BATCH, Train

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_ddp_trains_alike_without_unused_parameters(train: Train, tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.mkdir()
    # its shallow water pipe shares out trajectories; the others share out files, and one file
    # for two processes leaves one of them without data
    train(
        "train.py",
        "shallowwater2d_2day.yaml",
        "ShallowWater2DVel-2Day",
        *("--trainer.strategy", "ddp_find_unused_parameters_false", "--trainer.devices", "2"),
        *("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "3"),
        *("--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1"),
        *("--trainer.callbacks+", "rank_digest.RankDigest"),
        *("--trainer.callbacks.folder", str(told)),
        "--model.criterion",
        "wavelet+mse",
    )
    first, second = ((told / f"rank-{rank}").read_text(encoding="utf-8") for rank in (0, 1))
    assert first.split()[0] == second.split()[0], "weights differ by rank"
    assert first.split()[1] == str(3 * BATCH)  # the statistics are those of rank 0
