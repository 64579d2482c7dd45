"""On and off by hand: ``activate``, ``deactivate`` and ``report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

REGISTRY = "mytrainer.models.registry"

# the plugins import the real PyTorch; this is what they rest on
SWITCH = "from wavelit_plugin.autoload.watch import WATCH\n"
STATE = f"""
import json, sys
registry = sys.modules["{REGISTRY}"].MODEL_REGISTRY
(status,) = [status for status in WATCH.report() if status.watched == "{REGISTRY}"]
print(json.dumps([sorted(registry), status.state, status.reason, list(status.names)]))
"""
ON = [["UNet", "waveliT"], "applied", "", ["waveliT"]]
OFF = [["UNet"], "skipped", "deactivated", []]


@pytest.mark.parametrize(
    "code",
    [
        f"import {REGISTRY}; WATCH.activate()",
        f"WATCH.activate(); import {REGISTRY}",
        f"WATCH.activate(); WATCH.activate(); import {REGISTRY}; WATCH.activate()",
        f"import torch, {REGISTRY}; WATCH.stop(); WATCH.activate()",
        f"import torch; WATCH.stop(); import {REGISTRY}; WATCH.activate()",
    ],
)
@pytest.mark.parametrize("autoload", ["0", "1"])
def test_activating_registers_whatever_came_before(host: Sandbox, code: str, autoload: str) -> None:
    assert host.value(SWITCH + code + STATE, WAVELIT_AUTOLOAD=autoload) == ON


@pytest.mark.parametrize(
    "code",
    [
        f"import torch, {REGISTRY}; WATCH.stop()",
        f"import torch, {REGISTRY}; WATCH.stop(); WATCH.stop()",
        f"import torch; WATCH.scan(); WATCH.stop(); import {REGISTRY}",
        f"WATCH.activate(); WATCH.stop(); import {REGISTRY}",
        f"WATCH.scan(); WATCH.stop(); import torch, {REGISTRY}",
        f"import {REGISTRY}; WATCH.activate(); WATCH.stop(); WATCH.activate(); WATCH.stop()",
    ],
)
def test_stopping_takes_everything_back(host: Sandbox, code: str) -> None:
    assert host.value(SWITCH + code + STATE) == OFF


def test_no_finder_is_left_behind(host: Sandbox) -> None:
    code = f"""
import sys, json
before = list(sys.meta_path)
import torch, {REGISTRY}
{SWITCH}
WATCH.stop()
print(json.dumps(sys.meta_path == before))
"""
    assert host.value(code) is True


def test_a_half_built_module_is_not_registered_with_after_stopping(host: Sandbox) -> None:
    host.write("colours.py", SWITCH + "WATCH.stop()\n")
    host.fake_host("import torch, colours, colours\nMODEL_REGISTRY = {'UNet': 'theirs'}\n")
    code = f"import {REGISTRY} as r, json; print(json.dumps(sorted(r.MODEL_REGISTRY)))"
    assert host.value(code) == ["UNet"]


def test_an_undo_that_fails_is_reported_and_hinders_no_other(host: Sandbox) -> None:
    host.write(
        "mytrainer_adapter.py",
        "from wavelit_plugin.autoload.records import Registration, add_key\n"
        "def register(module):\n"
        "    yield add_key(module.MODEL_REGISTRY, 'waveliT', 1)\n"
        "    yield Registration(name='other', undo=lambda: 1 / 0)\n",
    )
    done = host.run(SWITCH + f"import torch, {REGISTRY}; WATCH.stop()" + STATE)
    assert '[["UNet"], "failed", "could not be undone: other: ZeroDivisionError' in done.stdout
    assert len(done.stderr.splitlines()) == 1


def test_a_reset_watch_is_as_in_a_new_process(host: Sandbox) -> None:
    code = SWITCH + (
        f"import torch, {REGISTRY}; WATCH.reset(); torch._import_device_backends(); import json\n"
        "import sys; from wavelit_plugin import SENTRY\n"
        "print(json.dumps(sys.meta_path.count(SENTRY)))"
    )
    assert host.value(code) == 1


def test_a_plugins_record_replaces_the_announcement_of_the_same_adapter(host: Sandbox) -> None:
    host.distribution("mytrainer", "9.0")
    code = (
        SWITCH
        + f"""
from wavelit_plugin.autoload.records import HostRecord
WATCH.scan()
WATCH.add([HostRecord(host="mytrainer", distribution="mytrainer", versions="<9",
                      watched="{REGISTRY}", adapter="mytrainer_adapter:register")])
WATCH.activate()
import {REGISTRY}
"""
    )
    done = host.run(code + STATE)
    assert '"skipped", "mytrainer 9.0 is here and <9 is supported' in done.stdout
