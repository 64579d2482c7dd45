"""Inside the host's Trainer: checkpoints, resuming, several processes, the criterion."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from integration_tests.conftest import ROOT, Run
from integration_tests.neuraloperator.conftest import make_data
from wavelit_plugin.hosts.criterion import EpochTerm
from wavelit_plugin.loss import WaveletLoss, wavelet_loss

# the host's Trainer hands the whole sample to its losses, which warn of it
pytestmark = pytest.mark.filterwarnings("ignore:.*received unexpected keyword arguments")

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


def test_fine_tuning_on_another_data_set_begins_with_the_weights_alone(
    run: Run, pairs_folder: Path, tmp_path: Path
) -> None:
    run(HERE / "train_and_resume.py", pairs_folder, tmp_path / "saved", "8")
    other = make_data(tmp_path / "other", size=48, seed=7, trajectories=4)
    from neuralop.models import get_model
    from zencfg.bunch import Bunch

    sizes = {"data_channels": 5, "out_channels": 3, "width": 16, "heads": 1, "depth": 1}
    untrained = get_model(Bunch({"model": {"model_arch": "waveliT", **sizes}}))
    untrained.save_checkpoint(tmp_path / "untrained", "model")
    errors = {}
    for begin in ("saved", "untrained"):
        script = ROOT / "examples" / "fine_tuning" / "in_neuraloperator.py"
        done = run(script, tmp_path / begin, other, "acoustics", "2")
        assert "do not fit" not in done.stderr
        (errors[begin],) = json.loads(done.stdout.splitlines()[-1]).values()
    assert errors["saved"] < 0.9 * errors["untrained"]


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


@pytest.fixture
def registered() -> Iterator[Any]:
    """The host's Trainer with our criterion, and as it was afterwards."""
    from neuralop.training import trainer

    from wavelit_plugin.hosts.neuraloperator.registration import register_criterion

    original = trainer.Trainer.train_one_epoch
    (registration,) = register_criterion(trainer)
    yield trainer.Trainer
    registration.undo()
    assert trainer.Trainer.train_one_epoch is original


class Pairs(torch.utils.data.Dataset[dict[str, Tensor]]):
    """Eight fields and what they become."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(index)
        return {"x": torch.randn(1, 8, 8, generator=rng), "y": torch.randn(1, 8, 8, generator=rng)}


def trained(kind: Any, epochs: int, loss: Any, **options: Any) -> Any:
    """Train a small waveliT with the host's Trainer; return it."""
    from neuralop.models import get_model
    from zencfg.bunch import Bunch

    sizes = {"data_channels": 1, "out_channels": 1, "width": 8, "heads": 1, "depth": 1}
    model = get_model(Bunch({"model": {"model_arch": "waveliT", **sizes}}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    trainer = kind(model=model, n_epochs=epochs)
    trainer.train(
        DataLoader(Pairs(), batch_size=2),
        {"test": DataLoader(Pairs(), batch_size=4)},
        optimizer,
        torch.optim.lr_scheduler.StepLR(optimizer, step_size=10),
        training_loss=loss,
        **options,
    )
    return trainer


def test_the_criterion_is_the_hosts_loss_plus_a_sum_over_the_batch(
    registered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neuralop import LpLoss

    found = []
    train_one_batch = registered.train_one_batch

    def seen(self: Any, idx: int, sample: dict[str, Tensor], training_loss: Any) -> Tensor:
        torch.manual_seed(0)
        prediction, y = torch.randn(3, 2, 16, 16), torch.randn(3, 2, 16, 16)
        expected = LpLoss(d=2, p=2)(prediction, y)
        expected = expected + 0.1 * wavelet_loss(prediction, y, boundary="open").mean(1).sum()
        found.append((training_loss(prediction, y=y), expected))
        return train_one_batch(self, idx, sample, training_loss)

    monkeypatch.setattr(registered, "train_one_batch", seen)
    loss = LpLoss(d=2, p=2)
    trained(registered, 1, loss)
    torch.testing.assert_close(*found[0])  # at first the weight is a tenth


def test_evaluation_is_by_the_hosts_loss(registered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    evaluate = registered.evaluate_all

    def seen(self: Any, **more: Any) -> Any:
        given.append(more["eval_losses"])
        return evaluate(self, **more)

    monkeypatch.setattr(registered, "evaluate_all", seen)
    from neuralop import LpLoss

    loss = LpLoss(d=2, p=2)
    trained(registered, 1, loss)
    assert given == [{"l2": loss}]


def test_a_resumed_training_has_the_weights_of_one_that_was_not_interrupted(
    registered: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neuralop import LpLoss

    weights: dict[int, list[float]] = {}
    call = EpochTerm.__call__

    def recorded(self: EpochTerm, prediction: Tensor, target: Tensor) -> Tensor:
        value = call(self, prediction, target)
        weights.setdefault(self.epoch, []).append(cast("WaveletLoss", self.term).weight)
        return value

    monkeypatch.setattr(EpochTerm, "__call__", recorded)
    l2 = LpLoss(d=2, p=2)
    trained(registered, 10, l2)
    whole = {epoch: weights.pop(epoch) for epoch in range(10)}
    # the law of the documentation: 0.1, and linearly to 0.02 in the last tenth
    assert whole[8] == [pytest.approx(0.1)] * 4
    assert whole[9] == [pytest.approx(0.1 - 0.08 * batch / 4) for batch in range(4)]

    def until_the_seventh(prediction: Tensor, **sample: Tensor) -> Tensor:
        if 7 in weights:
            raise KeyboardInterrupt
        return l2(prediction, **sample)

    saved = {"save_every": 1, "save_dir": tmp_path / "saved", "eval_losses": {"l2": l2}}
    with pytest.raises(KeyboardInterrupt):
        trained(registered, 10, until_the_seventh, **saved)
    weights.clear()
    resumed = trained(registered, 10, l2, resume_from_dir=tmp_path / "saved", **saved)
    assert resumed.start_epoch == 6  # the host does the last complete epoch again
    assert weights == {epoch: whole[epoch] for epoch in range(6, 10)}


def test_the_criterion_is_registered_only_when_asked_for(run: Run) -> None:
    code = "import neuralop; print(hasattr(neuralop.Trainer.train_one_epoch, '__wrapped__'))"
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
wrapped = hasattr(neuralop.Trainer.train_one_epoch, "__wrapped__")
print(len(before), len(after), before == again, wrapped)
"""
    environment = {"WAVELIT_CRITERION": "wavelet"}
    assert run("-c", code, environment=environment).stdout.split()[-4:] == [
        "4",
        "0",
        "True",
        "True",
    ]
