"""The real PyTorch and the real neuraloperator: import orders, switches, on and off by hand.

Each process takes seconds to import both, so each checks what belongs to one way of use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

pytestmark = pytest.mark.host

MODELS = "neuralop.models.base_model"
CONFIGS = "config.models"
TRAINER = "neuralop.training.trainer"
NAMES = ["wavelit", "wavelit-1m", "wavelit-4m", "wavelit-10m"]

# the registry as the user's import leaves it, before anything else is imported
LOOK = f"""
import sys
models = sys.modules["{MODELS}"].BaseModel._models
def ours(): return [name for name in models if name.startswith("wavelit")]
assert ours() == {NAMES}, ours()
kinds = [models[name] for name in ours()]
assert "fno" in models
"""

BUILD = """
from neuralop.models import get_model
from zencfg.bunch import Bunch
options = {"model_arch": "waveliT-1M", "data_channels": 2, "out_channels": 1, "ndim": 2}
model = get_model(Bunch({"model": options}))
assert type(model) is models["wavelit-1m"], type(model)
"""

# where the host's checkout has its configs, in a module of a common name
CONFIG_MODELS = """
from typing import List
from zencfg import ConfigBase

class ModelConfig(ConfigBase):
    arch: str
    data_channels: int
    out_channels: int

class FNO_Small2d(ModelConfig):
    model_arch: str = "fno"
    data_channels: int = 1
    out_channels: int = 1
    n_modes: List[int] = [16, 16]
"""


# every module that is watched comes first in some, and so do PyTorch and our own modules
ORDERS = [
    "import config.models, neuralop",
    "import config.models, torch, neuralop",
    "import config.models, neuralop.training.trainer",
    "import zencfg, torch, config.models, neuralop.training",
    "import neuralop.training.trainer, config.models",
    "import neuralop.models.base_model, config.models, neuralop.training.trainer",
    "import wavelit_plugin.hosts.neuraloperator.model, config.models, neuralop",
    "import wavelit_plugin.hosts.neuraloperator.registration, config.models, neuralop",
    "import wavelit_plugin.hosts.neuraloperator.training, config.models",
]


@pytest.mark.parametrize("order", ORDERS)
def test_all_is_registered_whatever_comes_first(bare: Sandbox, order: str) -> None:
    bare.write("config/models.py", CONFIG_MODELS)
    code = """
configs = sys.modules["config.models"]
assert configs.ModelConfig._registry["wavelit_small2d"] is configs.WaveLiT_Small2d
from neuralop import Trainer
assert Trainer.train_one_epoch.__wrapped__
"""
    statuses = bare.outcome(order + LOOK + code, WAVELIT_CRITERION="wavelet")["statuses"]
    for name in (MODELS, CONFIGS, TRAINER):
        assert (statuses[name]["state"], statuses[name]["reason"]) == ("applied", ""), name


PICKLED = """
import pickle, sys
with open("model.pkl", "{mode}") as file:
    {what}
"""


def test_reading_a_pickled_model_first_registers_nothing_but_what_is_asked_for(
    bare: Sandbox,
) -> None:
    made = BUILD + PICKLED.format(mode="wb", what="pickle.dump(model, file)")
    bare.outcome("import neuralop" + LOOK + made)
    read = PICKLED.format(mode="rb", what="model = pickle.load(file)")
    kind = "assert type(model).__name__ == 'WaveLiT1MOperator'\n"
    bare.outcome(read + LOOK + kind + "assert type(model) is models['wavelit-1m']\n")
    off = f"""
models = sys.modules["{MODELS}"].BaseModel._models
assert "fno" in models and not [name for name in models if name.startswith("wavelit")]
"""
    bare.outcome(read + kind + off, WAVELIT_AUTOLOAD="0")


def test_what_others_put_in_our_places_is_theirs(bare: Sandbox) -> None:
    bare.write("config/models.py", CONFIG_MODELS)
    code = """
import config.models as c
from neuralop import Trainer
from neuralop.models.base_model import BaseModel
import wavelit_plugin

class Theirs(c.ModelConfig): pass
registry = c.ModelConfig._registry
registry["wavelit_small2d"] = c.WaveLiT_Medium2d = Theirs
BaseModel._models["wavelit-4m"] = Theirs
ours = Trainer.train_one_epoch
def theirs(self, *args): return ["theirs", ours(self, *args)]
Trainer.train_one_epoch = theirs

wavelit_plugin.deactivate()
assert Trainer.train_one_epoch is theirs
assert [key for key in registry if "wavelit" in key] == ["wavelit_small2d"]
assert [key for key in vars(c) if "WaveLiT" in key] == ["WaveLiT_Medium2d"]
assert [key for key in BaseModel._models if "wavelit" in key] == ["wavelit-4m"]

# ours, inside of theirs, does nothing any more: the loss reaches the host as it is
class Stopped(Trainer):
    n_epochs, device = 1, "cpu"
    def __init__(self): pass
    def on_epoch_start(self, epoch): raise LookupError(sys._getframe(1).f_locals["training_loss"])
def loss_in_the_host():
    try: Stopped().train_one_epoch(0, [1], "a loss")
    except LookupError as error: return error.args[0]
assert loss_in_the_host() == "a loss"
wavelit_plugin.activate()
assert Trainer.train_one_epoch.__wrapped__ is theirs
assert loss_in_the_host().host_loss == "a loss"
"""
    done = bare.run("import neuralop" + LOOK + code, WAVELIT_CRITERION="wavelet")
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr  # what is taken, of models and configs


def test_import_neuralop_alone_and_a_stranger_of_a_common_name(bare: Sandbox) -> None:
    bare.write("config/models.py", "class ModelConfig: _registry = {}\n")
    stranger = "import config.models as c\nassert c.ModelConfig._registry == {}\n"
    seen = "assert [name for name in vars(c) if name[0] != '_'] == ['ModelConfig']\n"
    code = "import neuralop" + LOOK + BUILD + stranger + seen
    statuses = bare.outcome(code)["statuses"]
    models = statuses[MODELS]
    assert (models["state"], models["path"], models["reason"]) == ("applied", "import hook", "")
    assert models["names"] == NAMES
    assert (statuses[CONFIGS]["state"], statuses[CONFIGS]["reason"]) == ("pending", "")
    trainer = statuses[TRAINER]
    assert (trainer["state"], trainer["reason"]) == ("skipped", "no criterion asked for")


def test_a_model_module_first_pytorch_after_it_and_the_trainer_untouched(bare: Sandbox) -> None:
    after = """
import torch, neuralop
assert not hasattr(neuralop.Trainer.train_one_epoch, '__wrapped__')
"""
    status = bare.outcome("import neuralop.models.fno" + LOOK + after)["statuses"][MODELS]
    assert (status["state"], status["path"]) == ("applied", "import hook")


def test_pytorch_before_it_and_its_checkouts_configs(bare: Sandbox) -> None:
    bare.write("config/models.py", CONFIG_MODELS)
    order = "import torch\nfrom neuralop.models import get_model"
    configs = """
import config.models
assert config.models.ModelConfig._registry["wavelit_small2d"] is config.models.WaveLiT_Small2d
from wavelit_plugin.model import WaveLiTConfig
knobs = set(WaveLiTConfig.__dataclass_fields__) - {"in_channels", "conditions"}
assert knobs <= set(config.models.WaveLiT_Small2d.__annotations__), knobs
"""
    statuses = bare.outcome(order + LOOK + configs)["statuses"]
    assert [statuses[name]["state"] for name in (MODELS, CONFIGS)] == ["applied", "applied"]
    assert statuses[MODELS]["path"] == statuses[CONFIGS]["path"] == "import hook"
    sizes = ("small", "medium", "large")
    assert statuses[CONFIGS]["names"] == [f"wavelit_{s}{n}d" for s in sizes for n in (1, 2, 3)]


def test_the_trainer_first_with_a_criterion_then_off_and_on(bare: Sandbox) -> None:
    code = """
from neuralop import Trainer
import wavelit_plugin
assert Trainer.train_one_epoch.__wrapped__
wrapped = Trainer.train_one_epoch
wavelit_plugin.deactivate()
wavelit_plugin.deactivate()
assert ours() == [] and Trainer.train_one_epoch is wrapped.__wrapped__
assert {s.state for s in wavelit_plugin.report()} == {"skipped"}
assert {s.reason for s in wavelit_plugin.report()} == {"deactivated"}
wavelit_plugin.activate()
wavelit_plugin.activate()
assert [models[name] for name in ours()] == kinds
assert Trainer.train_one_epoch.__wrapped__ is wrapped.__wrapped__
"""
    order = "from neuralop.training import Trainer"
    statuses = bare.outcome(order + LOOK + code, WAVELIT_CRITERION="wavelet")["statuses"]
    found = [(statuses[name]["state"], statuses[name]["path"]) for name in (MODELS, TRAINER)]
    assert found == [("applied", "already imported")] * 2
    assert statuses[TRAINER]["names"] == ["wavelet"]


def test_activate_serves_where_autoload_is_off(bare: Sandbox) -> None:
    code = f"""
import neuralop, sys
models = sys.modules["{MODELS}"].BaseModel._models
assert not [name for name in models if name.startswith("wavelit")]
import wavelit_plugin
for switch, expected in [("activate", {NAMES}), ("deactivate", []), ("activate", {NAMES})]:
    getattr(wavelit_plugin, switch)()
    assert [name for name in models if name.startswith("wavelit")] == expected, switch
"""
    status = bare.outcome(code, WAVELIT_AUTOLOAD="0")["statuses"][MODELS]
    assert (status["state"], status["path"]) == ("applied", "already imported")


def test_a_name_that_is_taken_is_neither_overwritten_nor_removed(bare: Sandbox) -> None:
    # PyTorch's own switch keeps us out, so the name can be taken before we come
    code = f"""
import neuralop, sys
assert not [name for name in sys.modules if name.startswith("wavelit")]
from neuralop.models.base_model import BaseModel
class Theirs(BaseModel, name="waveliT"): pass
from wavelit_plugin import activate, deactivate, report
activate()
assert BaseModel._models["wavelit"] is Theirs
(status,) = [status for status in report() if status.watched == "{MODELS}"]
assert status.state == "applied" and status.names == {tuple(NAMES[1:])}, status
print(status.reason)
deactivate()
assert [name for name in BaseModel._models if name.startswith("wavelit")] == ["wavelit"]
assert BaseModel._models["wavelit"] is Theirs
"""
    done = bare.run(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    assert done.returncode == 0, done.stderr
    assert "'wavelit'" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("wavelit: neuraloperator")
    assert line.endswith(done.stdout.strip())
