"""The criterion asked for joins the loss of neuraloperator's Trainer, whoever provides it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.plugins.types import CriterionRecord

pytest.importorskip("neuralop")
pytestmark = pytest.mark.host

PLUGIN = """
from torch import nn
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord

@hookimpl
def wavelit_criteria():
    return [CriterionRecord(name="l1", build=nn.L1Loss, summary="absolute error")]
"""

# what the host's Trainer hands to its loop: the loss that it would call
SCRIPT = """
import sys
from neuralop import Trainer

class Stopped(Trainer):
    n_epochs, device = 1, "cpu"
    def __init__(self): pass
    def on_epoch_start(self, epoch):
        print(type(sys._getframe(1).f_locals["training_loss"].term.term).__name__)
        raise SystemExit

Stopped().train_one_epoch(0, [1], None)
"""


def host_loss(prediction: Tensor, y: Tensor, **_sample: object) -> Tensor:
    return (prediction - y).square().sum()


def trained_with(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """Register with a stand-in for the host's module; return the loss that its loop is given."""
    from wavelit_plugin.hosts.neuraloperator.registration import register_criterion

    class Trainer:
        n_epochs, device = 1, "cpu"

        def train_one_epoch(self, _epoch: int, _loader: object, training_loss: object) -> Any:
            return training_loss

    monkeypatch.setenv("WAVELIT_CRITERION", name)
    module: Any = SimpleNamespace(Trainer=Trainer)
    original = Trainer.train_one_epoch
    (registration,) = register_criterion(module)
    assert registration.name == name
    given = Trainer().train_one_epoch(0, [1, 2], host_loss)
    registration.undo()
    assert Trainer.train_one_epoch is original
    return given


def test_our_own_adds_its_wavelet_term_alone(
    monkeypatch: pytest.MonkeyPatch, rng: torch.Generator
) -> None:
    prediction, y = torch.randn(2, 3, 1, 8, 8, generator=rng)
    loss = trained_with(monkeypatch, "wavelet")
    term = WaveletLoss(base=None, reduction="sum", boundary="open")
    expected = host_loss(prediction, y) + term(prediction, y)
    torch.testing.assert_close(loss(prediction, y=y), expected, rtol=0, atol=0)  # same arithmetic


def test_a_third_partys_is_asked_for_the_sum_as_the_hosts_is(
    monkeypatch: pytest.MonkeyPatch, rng: torch.Generator
) -> None:
    from wavelit_plugin.hosts import criterion

    record = CriterionRecord(name="l1", build=nn.L1Loss, summary="")
    monkeypatch.setattr(criterion, "find_criterion", lambda _name: record)
    prediction, y = torch.randn(2, 3, 1, 8, 8, generator=rng)
    expected = host_loss(prediction, y) + (prediction - y).abs().sum()
    # two orders of float32 summation
    torch.testing.assert_close(trained_with(monkeypatch, "l1")(prediction, y=y), expected)


def test_an_unknown_name_is_an_error_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    from wavelit_plugin.hosts.neuraloperator.registration import register_criterion

    monkeypatch.setenv("WAVELIT_CRITERION", "wavlet")
    with pytest.raises(ConfigError, match="did you mean 'wavelet'"):
        list(register_criterion(ModuleType("trainer")))


def test_wavelit_run_takes_a_third_partys_criterion(tmp_path: Path) -> None:
    (tmp_path / "plugin_l1.py").write_text(PLUGIN, encoding="utf-8")
    facts = tmp_path / "wavelit_l1-1.0.dist-info"
    facts.mkdir()
    metadata = "Metadata-Version: 2.1\nName: wavelit-l1\nVersion: 1.0\n"
    (facts / "METADATA").write_text(metadata, encoding="utf-8")
    (facts / "entry_points.txt").write_text("[wavelit]\nl1 = plugin_l1\n", encoding="utf-8")
    (tmp_path / "train.py").write_text(SCRIPT, encoding="utf-8")
    kept = {key: text for key, text in os.environ.items() if not key.startswith("WAVELIT_")}
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "wavelit_plugin.cli", "run", "--criterion", "l1", "train.py"],
        check=False,
        capture_output=True,
        text=True,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "L1Loss"


# the host's own Trainer, as its scripts call it
TRAINING = """
import torch
from neuralop import Trainer

class Model(torch.nn.Conv2d):
    def forward(self, x, **_):
        return super().forward(x)

model = Model(1, 1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
batch = {"x": torch.randn(2, 1, 8, 8), "y": torch.randn(2, 1, 8, 8)}
Trainer(model=model, n_epochs=1).train(
    [batch], {}, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1)
)
print("trained")
"""
REFUSED = "unknown criterion 'wavlet'; did you mean 'wavelet'? Known: wavelet"


def run_training(folder: Path, *words: str, criterion: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(TRAINING, encoding="utf-8")
    return subprocess.run(
        [sys.executable, *words, "train.py"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1", "WAVELIT_CRITERION": criterion},
        cwd=folder,
    )


@pytest.mark.parametrize(
    ("words", "criterion", "last"),
    [
        ((), "wavlet", f"ConfigError: WAVELIT_CRITERION=wavlet cannot be had: {REFUSED}; unset"),
        (("-m", "wavelit_plugin.cli", "run"), "wavlet", f"wavelit: error: {REFUSED}"),
        (("-m", "wavelit_plugin.cli", "run", "--criterion", "wavlet"), "", REFUSED),
    ],
    ids=["python", "wavelit run", "wavelit run --criterion"],
)
def test_a_training_that_asked_for_an_unknown_one_ends_with_a_line_that_names_the_known(
    words: tuple[str, ...], criterion: str, last: str, tmp_path: Path
) -> None:
    done = run_training(tmp_path, *words, criterion=criterion)
    assert (done.returncode, done.stdout) == (1, "")
    assert last in done.stderr.splitlines()[-1]


def test_the_same_training_with_a_known_one_does_not_end_there(tmp_path: Path) -> None:
    done = run_training(tmp_path, criterion="wavelet")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "trained"), done.stderr
