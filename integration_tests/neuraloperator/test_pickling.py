"""What ``get_model`` gives goes where the host's own models go: pickles, processes, UQNO."""

from __future__ import annotations

import copy
import pickle
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from integration_tests.conftest import Run
from wavelit_plugin.model import PRESETS

# the host warns of two models' metadata in one state dict, its own among them
pytestmark = pytest.mark.filterwarnings("ignore:Attempting to update metadata")

SMALL = {"width": 8, "heads": 1, "depth": 1}


def build(name: str, **options: Any) -> nn.Module:
    from neuralop.models import get_model
    from zencfg.bunch import Bunch

    sizes = {"model_arch": name, "data_channels": 2, "out_channels": 1, **SMALL, **options}
    built: nn.Module = get_model(Bunch({"model": sizes}))
    return built


@pytest.fixture
def trained() -> nn.Module:
    """A model that knows its data."""
    model = build("waveliT").train()
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 2, 16, 16, generator=rng), torch.randn(8, 1, 16, 16, generator=rng)
    loss = (model(x, y=y) - y).square().mean()
    loss.backward()
    return model.eval()


def field() -> Tensor:
    return torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(1))


def check_same(read: nn.Module, written: nn.Module) -> None:
    assert type(read) is type(written)
    assert_close(read(field()), written(field()), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_class_that_is_importable_by_its_own_name(name: str) -> None:
    model = build(name)
    kind = type(model)
    assert getattr(__import__(kind.__module__, fromlist=["_"]), kind.__name__) is kind
    others = [type(build(other)) for other in PRESETS if other != name]
    assert kind not in others
    check_same(pickle.loads(pickle.dumps(model)).eval(), model.eval())  # noqa: S301  (our own)


def test_a_trained_model_is_saved_whole_and_copied(trained: nn.Module, tmp_path: Path) -> None:
    torch.save(trained, tmp_path / "whole.pt")
    check_same(torch.load(tmp_path / "whole.pt", weights_only=False), trained)
    check_same(copy.deepcopy(trained), trained)


READ = """
import sys, torch
model = torch.load(sys.argv[1], weights_only=False)
torch.save(model(torch.load(sys.argv[2])), sys.argv[3])
"""


@pytest.mark.parametrize("autoload", ["0", "1"])
def test_a_new_process_reads_it_with_nothing_imported_before(
    run: Run, trained: nn.Module, tmp_path: Path, autoload: str
) -> None:
    paths = [tmp_path / name for name in ("whole.pt", "input.pt", "output.pt")]
    torch.save(trained, paths[0])
    torch.save(field(), paths[1])
    run("-c", READ, *paths, environment={"WAVELIT_AUTOLOAD": autoload})
    # another process may add up in another order
    assert_close(torch.load(paths[2]), trained(field()).detach())


def answer(model: nn.Module, results: SimpleQueue[Any]) -> None:
    """What a spawned worker does: it is sent the model, and answers."""
    with torch.no_grad():
        results.put(model(field()).tolist())


def test_it_travels_to_a_spawned_worker(trained: nn.Module) -> None:
    spawn = torch.multiprocessing.get_context("spawn")
    results = spawn.SimpleQueue()
    worker = spawn.Process(target=answer, args=(trained, results))
    worker.start()
    got = results.get()
    worker.join(timeout=60)
    assert worker.exitcode == 0
    assert_close(torch.tensor(got), trained(field()).detach())


def test_the_hosts_checkpoints_and_those_of_uqno(trained: nn.Module, tmp_path: Path) -> None:
    from neuralop.models import UQNO

    model: Any = trained
    model.save_checkpoint(tmp_path, "alone")
    check_same(type(model).from_checkpoint(tmp_path, "alone").eval(), trained)
    bound = UQNO(base_model=model).eval()
    bound.save_checkpoint(tmp_path, "bound")
    again = UQNO.from_checkpoint(tmp_path, "bound").eval()
    check_same(again.base_model, trained)
    for read, written in zip(again(field()), bound(field()), strict=True):
        assert_close(read, written, rtol=0.0, atol=0.0)


def test_a_class_of_ones_own_is_registered_by_the_host_as_ever() -> None:
    from neuralop.models.base_model import BaseModel

    from wavelit_plugin.hosts.neuraloperator.model import WaveLiT1MOperator

    class Mine(WaveLiT1MOperator, name="mine"):
        """A subclass in a script."""

    try:
        assert BaseModel._models["mine"] is Mine
        assert isinstance(build("mine"), Mine)
    finally:
        del BaseModel._models["mine"]


def test_config_classes_are_importable_and_pickle(run: Run, scripts: Path) -> None:
    code = """
import pickle, sys
import neuralop
sys.path.insert(0, "..")
import config.models as models
ours = [value for name, value in vars(models).items() if name.startswith("WaveLiT")]
assert len(ours) == 9
for kind in ours:
    assert getattr(sys.modules[kind.__module__], kind.__name__) is kind
    made = pickle.loads(pickle.dumps(kind(arch="")))
    assert type(made) is kind and made.to_dict() == kind(arch="").to_dict()
"""
    run("-c", code, cwd=scripts)
