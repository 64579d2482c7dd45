"""The switches: off, off for one host, errors that raise, and a line for each decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

REGISTRY = "mytrainer.models.registry"
IMPORT = "import torch; import mytrainer.models.registry\n"
FAILING = "def register(module):\n    raise ValueError('no such thing')\n"


@pytest.mark.parametrize("value", ["0", "false", "no", "off", "OFF", " No "])
def test_autoload_can_be_switched_off(host: Sandbox, value: str) -> None:
    code = IMPORT + (
        "import json, sys\nfrom wavelit_plugin import SENTRY\n"
        "from wavelit_plugin.autoload.watch import WATCH\n"
        "print(json.dumps([each in sys.meta_path for each in (SENTRY, WATCH)]))"
    )
    assert host.value(code, WAVELIT_AUTOLOAD=value) == [False, False]
    assert host.outcome(IMPORT, WAVELIT_AUTOLOAD=value)["registry"] == {"UNet": "theirs"}


@pytest.mark.parametrize("value", ["1", "true", "", "yes"])
def test_autoload_is_on_for_any_other_value(host: Sandbox, value: str) -> None:
    assert "waveliT" in host.outcome(IMPORT, WAVELIT_AUTOLOAD=value)["registry"]


def test_autoload_is_read_before_anything_else_is_done(host: Sandbox) -> None:
    # even what would raise does not
    host.write("mytrainer_adapter.py", FAILING)
    code = IMPORT + "print('[]')"
    assert host.value(code, WAVELIT_AUTOLOAD="0", WAVELIT_STRICT="1") == []


@pytest.mark.parametrize(
    "value", ["mytrainer", "the_well, MyTrainer ,", "neuraloperator,mytrainer"]
)
def test_a_host_can_be_switched_off_by_name(host: Sandbox, value: str) -> None:
    outcome = host.outcome(IMPORT, WAVELIT_DISABLE=value)
    assert outcome["registry"] == {"UNet": "theirs"}
    status = outcome["statuses"][REGISTRY]
    assert (status["state"], status["reason"]) == ("skipped", "switched off by WAVELIT_DISABLE")


def test_a_built_in_host_can_be_switched_off_by_name(sandbox: Sandbox) -> None:
    sandbox.write("neuralop/__init__.py", "__version__ = '2.0.0'\n")
    sandbox.write("neuralop/models/base_model.py", "import torch\nclass BaseModel: _models = {}\n")
    code = """
import neuralop.models.base_model as theirs, sys
assert theirs.BaseModel._models == {}
ours = [name for name in sys.modules if name.startswith("wavelit_plugin.hosts.neuraloperator")]
assert ours == ["wavelit_plugin.hosts.neuraloperator"]
"""
    statuses = sandbox.outcome(code, WAVELIT_DISABLE="neuraloperator")["statuses"]
    ours = [status for status in statuses.values() if status["host"] == "neuraloperator"]
    found = {(status["state"], status["reason"]) for status in ours}
    assert found == {("skipped", "switched off by WAVELIT_DISABLE")}


@pytest.mark.parametrize("value", ["", "neuraloperator", "mytrainer2", "trainer"])
def test_other_names_switch_nothing_off(host: Sandbox, value: str) -> None:
    code = f"{IMPORT}print(*mytrainer.models.registry.MODEL_REGISTRY)"
    assert host.run(code, WAVELIT_DISABLE=value).stdout == "UNet waveliT\n"


@pytest.mark.parametrize(
    "order",
    [IMPORT, "import mytrainer.models.registry"],
    ids=["import hook", "at the end of the half-built module"],
)
def test_strict_lets_errors_raise(host: Sandbox, order: str) -> None:
    host.write("mytrainer_adapter.py", FAILING)
    done = host.run(order, WAVELIT_STRICT="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: wavelit: mytrainer ({REGISTRY}): ValueError: no such thing"
    )
    assert host.run(order, WAVELIT_STRICT="0").returncode == 0


def test_strict_lets_a_refusal_raise_and_undoes_the_rest(host: Sandbox) -> None:
    host.write(
        "mytrainer_adapter.py",
        "from wavelit_plugin.autoload.records import add_key\n"
        "def register(module):\n"
        "    yield add_key(module.MODEL_REGISTRY, 'waveliT', 1)\n"
        "    yield add_key(module.MODEL_REGISTRY, 'UNet', 1)\n",
    )
    code = (
        "import torch, sys\ntry:\n    import mytrainer.models.registry\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = host.run(code, WAVELIT_STRICT="1")
    assert "'UNet' is taken already" in done.stdout


def test_sys_exit_in_an_adapter_is_an_error_too_when_strict(host: Sandbox) -> None:
    host.write("mytrainer_adapter.py", "def register(module):\n    raise SystemExit(0)\n")
    assert host.run(IMPORT, WAVELIT_STRICT="1").returncode == 1


def test_debug_prints_each_decision(host: Sandbox) -> None:
    lines = host.run(IMPORT, WAVELIT_DEBUG="1", WAVELIT_DISABLE="neuraloperator").stderr
    assert f"wavelit: mytrainer ({REGISTRY}): applied ['waveliT']" in lines
    assert "wavelit: watching config.models, " in lines
    assert "neuraloperator (config.models): skipped: switched off by WAVELIT_DISABLE" in lines
    assert not host.run(IMPORT, WAVELIT_DEBUG="0").stderr


def test_decisions_are_logged_at_debug_level(host: Sandbox) -> None:
    code = """
import logging, sys
form = "%(name)s %(levelname)s %(message)s"
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format=form)
"""
    done = host.run(code + IMPORT)
    wanted = f"wavelit DEBUG wavelit: mytrainer ({REGISTRY}): applied ['waveliT']"
    assert wanted in done.stdout.splitlines()
    assert not done.stderr


def test_pytorchs_own_switch_keeps_all_out(bare: Sandbox) -> None:
    code = (
        "import torch, sys, json\n"
        "print(json.dumps([m for m in sys.modules if m.startswith('wavelit')]))"
    )
    assert bare.value(code, TORCH_DEVICE_BACKEND_AUTOLOAD="0") == []


def test_a_criterion_is_registered_only_when_asked_for(sandbox: Sandbox) -> None:
    sandbox.write("neuralop/__init__.py", "__version__ = '2.0.0'\n")
    sandbox.write("neuralop/training/trainer.py", "")
    watched = "neuralop.training.trainer"
    code = f"import torch; import {watched}"
    status = sandbox.outcome(code)["statuses"][watched]
    assert (status["state"], status["reason"]) == ("skipped", "no criterion asked for")
