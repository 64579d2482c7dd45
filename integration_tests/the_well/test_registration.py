"""Import orders, with the real host: whatever a program imports first, its Trainer is wrapped."""

from __future__ import annotations

import pytest

from integration_tests.conftest import Run, require_package

HOST = "the_well"

ORDERS = [
    "import the_well.benchmark.trainer",
    "import the_well.benchmark.trainer.training",
    "from the_well.data import WellDataModule; from the_well.benchmark.trainer import Trainer",
    "import torch; from the_well.benchmark.trainer.training import Trainer",
    "import wavelit_plugin.hosts.the_well.training; from the_well.benchmark.trainer import Trainer",
]

# as the order leaves it, before anything else is imported
LOOK = """
import sys
trainer = sys.modules["the_well.benchmark.trainer.training"].Trainer
methods = trainer.rollout_model, trainer.train_one_epoch
print(*(hasattr(method, "__wrapped__") for method in methods))
"""


@pytest.mark.parametrize("order", ORDERS)
def test_the_trainer_is_wrapped_whatever_comes_first(run: Run, order: str) -> None:
    require_package(HOST, "the_well")
    code = f"{order}\n{LOOK}"
    asked = run("-c", code, environment={"WAVELIT_CRITERION": "wavelet"})
    assert asked.stdout.split()[-2:] == ["True", "True"]
    assert "wavelit" not in asked.stderr


def test_without_a_criterion_only_targets_are_shown(run: Run) -> None:
    require_package(HOST, "the_well")
    shown = run("-c", f"import the_well.benchmark.trainer.training\n{LOOK}").stdout.split()
    assert shown[-2:] == ["True", "False"]
