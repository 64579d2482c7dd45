"""The criterion's weight over a training, whole and resumed, in the stock script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration_tests.pdearena.conftest import Resume, Train

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TASK, CONFIG, EPOCHS = "NavierStokes2D", "navierstokes2d.yaml", 10

SMALL = """
model:
  name: small
  criterion: wavelet+mse
  model:
    class_path: wavelit_plugin.hosts.pdearena.WaveLiTFields
    init_args:
      {n_input_scalar_components: 1, n_output_scalar_components: 1, n_input_vector_components: 1,
       n_output_vector_components: 1, time_history: 4, time_future: 1, width: 8, heads: 1, depth: 1}
"""


def weights(folder: Path) -> dict[tuple[int, int], float]:
    """Return the weights by epoch and batch, and forget them."""
    path = folder / "weights"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.unlink()
    return {(epoch, batch): weight for epoch, batch, weight in lines}


def law(progress: float) -> float:
    """A tenth, and linearly to 0.02 over the last tenth of the training."""
    return 0.1 - 0.08 * max(progress - 0.9, 0.0) / 0.1


@pytest.mark.parametrize(
    "limit", [("--trainer.limit_train_batches", "5"), ("--trainer.limit_train_batches", "1.0")]
)
def test_a_resumed_training_has_the_weights_of_one_that_was_not_interrupted(
    train: Train, resume: Resume, tmp_path: Path, limit: tuple[str, str]
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(SMALL, encoding="utf-8")
    options = (
        *("-c", str(config), *limit, "--trainer.max_epochs", str(EPOCHS)),
        *("--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1"),
        *("--trainer.callbacks+", "weights.Weights", "--trainer.callbacks.folder", str(tmp_path)),
    )
    train("train.py", CONFIG, TASK, *options)
    whole = weights(tmp_path)
    batches = 1 + max(batch for _, batch in whole)
    assert len(whole) == EPOCHS * batches
    for (epoch, batch), weight in whole.items():
        assert weight == pytest.approx(law((epoch + batch / batches) / EPOCHS))
    for saved, first in (("epoch.ckpt", (7, 0)), ("batch.ckpt", (8, 1))):
        resume("train.py", CONFIG, TASK, *options, checkpoint=tmp_path / saved)
        expected = {at: weight for at, weight in whole.items() if at >= first}
        found = weights(tmp_path)
        # Lightning begins the data of an interrupted epoch anew, and so has batches to spare
        assert {at: found[at] for at in expected} == expected
