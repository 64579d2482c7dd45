"""Inside the host's Trainer: checkpoints, resuming, several processes, the criterion."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from integration_tests.conftest import Run

HERE = Path(__file__).parent


def test_training_saves_and_resumes_with_the_statistics(
    run: Run, pairs_folder: Path, tmp_path: Path
) -> None:
    script = HERE / "train_and_resume.py"
    first = run(script, pairs_folder, tmp_path / "saved", "2")
    assert "resumed" not in first.stdout
    resumed = run(script, pairs_folder, tmp_path / "saved", "4", "resume")
    assert "Trainer resuming from epoch 1" in resumed.stdout
    before, after = first.stdout.splitlines()[-1], resumed.stdout.splitlines()[-1]
    assert before.split()[0] == after.split()[0], "statistics were estimated anew"
    assert float(after.split()[1]) < float(before.split()[1])


def test_the_hosts_checkpoint_holds_plain_types_only(
    run: Run, pairs_folder: Path, tmp_path: Path
) -> None:
    run(HERE / "train_and_resume.py", pairs_folder, tmp_path / "saved", "1")
    state = torch.load(tmp_path / "saved" / "model_state_dict.pt", weights_only=True)
    assert state["_metadata"]["_name"] == "waveliT"
    assert bool(state["core.normalizer.inputs.samples"] > 0)


def test_two_gloo_processes_train_alike_without_unused_parameters(
    run: Run, pairs_folder: Path
) -> None:
    done = run(
        *("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"),
        *(HERE / "train_two_processes.py", pairs_folder),
    )
    lines = sorted(line for line in done.stdout.splitlines() if line.startswith("rank"))
    assert len(lines) == 2
    assert lines[0].split()[2:] == lines[1].split()[2:], "weights or statistics differ by rank"


def criterion(steps: int = 10) -> Any:
    from neuralop import LpLoss

    from wavelit_plugin.hosts.neuraloperator import TrainingCriterion

    return TrainingCriterion(LpLoss(d=2, p=2), steps)


def test_the_criterion_is_the_hosts_loss_plus_a_sum_over_the_batch() -> None:
    from neuralop import LpLoss

    from wavelit_plugin.loss import wavelet_loss

    torch.manual_seed(0)
    prediction, target = torch.randn(3, 2, 16, 16), torch.randn(3, 2, 16, 16)
    expected = LpLoss(d=2, p=2)(prediction, target)
    expected = expected + 0.1 * wavelet_loss(prediction, target).mean(1).sum()
    torch.testing.assert_close(criterion()(prediction, y=target), expected)


def test_the_weight_of_the_criterion_falls_over_the_last_tenth() -> None:
    loss, field = criterion(steps=20), torch.randn(1, 1, 8, 8)
    weights = []
    for _ in range(20):
        loss(field, y=field)
        weights.append(loss.term.weight)
    assert weights[:18] == [pytest.approx(0.1)] * 18
    assert weights[19] == pytest.approx(0.06)


class RecordedTrainer:
    """Stands for the host's Trainer where only what ``train`` is given matters."""

    n_epochs = 3

    def train(
        self,
        train_loader: list[int],
        test_loaders: object = None,
        training_loss: object = None,
        eval_losses: object = None,
    ) -> dict[str, object]:
        del train_loader, test_loaders
        return {"training": training_loss, "evaluation": eval_losses}


@pytest.mark.parametrize("positional", [True, False])
def test_train_gets_our_criterion_around_the_hosts_loss_and_evaluates_with_the_hosts(
    *, positional: bool
) -> None:
    from neuralop import LpLoss

    from wavelit_plugin.hosts.neuraloperator import TrainingCriterion, register_criterion

    module = ModuleType("trainer")
    vars(module).update(Trainer=RecordedTrainer, LpLoss=LpLoss)
    original, loss = RecordedTrainer.train, LpLoss(d=2, p=2)
    (registration,) = register_criterion(module)
    try:
        trainer, loader = RecordedTrainer(), [0, 1]
        given = (
            trainer.train(loader, None, loss)
            if positional
            else trainer.train(loader, training_loss=loss)
        )
        default = trainer.train(loader, eval_losses={"mine": loss})
    finally:
        registration.undo()
    criterion = given["training"]
    assert isinstance(criterion, TrainingCriterion)
    assert criterion.host_loss is loss
    assert criterion.steps == 6
    assert given["evaluation"] == {"l2": loss}
    assert isinstance(default["training"], TrainingCriterion)
    assert default["evaluation"] == {"mine": loss}
    assert RecordedTrainer.train is original


def test_the_criterion_is_registered_only_when_asked_for(run: Run) -> None:
    code = "import neuralop; print(hasattr(neuralop.Trainer.train, '__wrapped__'))"
    assert run("-c", code).stdout.split()[-1] == "False"
    asked = run("-c", code, environment={"WAVELIT_CRITERION": "wavelet"})
    assert asked.stdout.split()[-1] == "True"


def test_deactivate_gives_the_host_back_as_it_was(run: Run) -> None:
    code = """
import neuralop
from neuralop.models.base_model import BaseModel
import wavelit_plugin
before = {name for name in BaseModel._models if name.startswith("wavelit")}
wavelit_plugin.deactivate()
after = {name for name in BaseModel._models if name.startswith("wavelit")}
wavelit_plugin.activate()
again = {name for name in BaseModel._models if name.startswith("wavelit")}
print(len(before), len(after), before == again, hasattr(neuralop.Trainer.train, "__wrapped__"))
"""
    environment = {"WAVELIT_CRITERION": "wavelet"}
    assert run("-c", code, environment=environment).stdout.split()[-4:] == [
        "4",
        "0",
        "True",
        "True",
    ]
