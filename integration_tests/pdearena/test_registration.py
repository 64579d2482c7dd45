"""Import orders, with the real host: whatever a program imports first, all is registered."""

from __future__ import annotations

import json

import pytest

from integration_tests.conftest import Run

REGISTRY = "pdearena.models.registry"
PLAIN, CONDITIONED = "pdearena.models.pdemodel", "pdearena.models.cond_pdemodel"

# every module that is watched comes first in some; the stock scripts begin with the first of all
ORDERS = [
    "from pdearena import utils; from pdearena.models.pdemodel import PDEModel",
    f"import {REGISTRY}",
    f"import {PLAIN}",
    f"import {CONDITIONED}",
    f"import torch, {CONDITIONED}, {PLAIN}",
    "import pdearena.models.pderefiner",
    "import pytorch_lightning; from pdearena.models.cond_pdemodel import CondPDEModel",
    f"import wavelit_plugin.hosts.pdearena.training, {PLAIN}",
    f"import wavelit_plugin.hosts.pdearena.callback, {PLAIN}, {CONDITIONED}",
]

# as the order leaves it, before anything else is imported
LOOK = f"""
import sys
registry = sys.modules["{REGISTRY}"]
found = [sum("waveliT" in name for name in names)
         for names in (registry.MODEL_REGISTRY, registry.COND_MODEL_REGISTRY)]
wrapped = [hasattr(vars(sys.modules[module])[name].__init__, "__wrapped__")
           for module, name in (("{PLAIN}", "PDEModel"), ("{CONDITIONED}", "CondPDEModel"))
           if module in sys.modules]
import json
print(json.dumps([found, wrapped]))
"""


@pytest.mark.parametrize("order", ORDERS)
def test_all_is_registered_whatever_comes_first(host_run: Run, order: str) -> None:
    done = host_run("-W", "ignore", "-c", order + LOOK)
    found, wrapped = json.loads(done.stdout.splitlines()[-1])
    assert found == [10, 8]  # four presets and Maxwell, each also periodic; no conditioned Maxwell
    assert all(wrapped)
    assert bool(wrapped) == ("pdemodel" in order)
    assert "wavelit:" not in done.stderr
