"""What the entry point does to ``import torch``: next to nothing, and it never breaks it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

# modules that loading and calling our entry point adds, in the middle of importing PyTorch;
# nothing is imported before that PyTorch would not import
ADDED = """
import importlib.metadata as metadata, sys
load, added = metadata.EntryPoint.load, {}
def watched(entry):
    if entry.dist.name != "wavelit-plugin":
        return load(entry)
    before = set(sys.modules)
    function = load(entry)
    def call():
        function()
        added[entry.name] = sorted(set(sys.modules) - before)
    return call
metadata.EntryPoint.load = watched
import torch
ours = sorted(name for name in sys.modules if "wavelit" in name)
import json
print(json.dumps([added, ours]))
"""

OURS = "import sys, json; print(json.dumps(sorted(m for m in sys.modules if 'wavelit' in m)))"
LIGHT = ["wavelit_plugin"]


def test_pytorch_loads_exactly_one_entry_point_of_ours() -> None:
    ours = [e for e in entry_points(group="torch.backends") if e.value.startswith("wavelit")]
    assert len(ours) == 1
    assert callable(ours[0].load())


def test_the_entry_point_imports_nothing_but_itself(bare: Sandbox) -> None:
    added, ours = bare.value(ADDED)
    assert list(added.values()) == [LIGHT]
    assert ours == LIGHT  # nor does anything later in PyTorch's import wake the rest


def test_importing_real_pytorch_without_a_host_says_nothing(bare: Sandbox) -> None:
    done = bare.run("import torch")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "code", ["import torch", "import torch, yaml, packaging, pluggy", "import lightly"]
)
def test_nothing_else_of_ours_is_imported_without_a_host(sandbox: Sandbox, code: str) -> None:
    sandbox.write("lightly.py", "import torch\nimport yaml\n")  # a library that uses PyTorch
    assert set(sandbox.value(f"{code}\n{OURS}")) <= set(LIGHT)


def test_imports_of_pytorch_and_of_the_standard_library_are_no_occasion(sandbox: Sandbox) -> None:
    # looking for hosts takes milliseconds, so it waits for somebody else's import
    sandbox.write("torch/later.py", "")
    sandbox.write("colours.py", "")
    code = """
import torch
from wavelit_plugin import SENTRY
import torch.later, colorsys, wavelit_plugin.errors
before = SENTRY.scanned
import colours, json
print(json.dumps([before, SENTRY.scanned]))
"""
    assert sandbox.value(code) == [False, True]


STAND_INS = {
    "an object": "sys.modules['torch'] = object()",
    "a mock": "from unittest.mock import MagicMock; sys.modules['torch'] = MagicMock()",
    "nothing": "sys.modules['torch'] = None",
}


@pytest.mark.parametrize("stand_in", STAND_INS.values(), ids=STAND_INS.keys())
def test_a_stand_in_for_pytorch_breaks_no_import(sandbox: Sandbox, stand_in: str) -> None:
    # what tests of other projects put in PyTorch's place
    sandbox.write("colours.py", "")
    done = sandbox.run(f"import sys, torch; {stand_in}; import colours")
    assert (done.returncode, done.stderr) == (0, "")


def test_calling_it_again_posts_no_second_sentry(sandbox: Sandbox) -> None:
    code = """
import json, sys, torch
from importlib.metadata import entry_points
torch._import_device_backends()
from wavelit_plugin import SENTRY
print(json.dumps(sys.meta_path.count(SENTRY)))
"""
    assert sandbox.value(code) == 1


def test_a_watch_that_cannot_be_imported_breaks_nothing(host: Sandbox) -> None:
    # half of an installation is missing
    code = """
import sys
sys.modules["wavelit_plugin.autoload.watch"] = None
import torch, mytrainer.models.registry as registry
print(sorted(registry.MODEL_REGISTRY))
"""
    done = host.run(code)
    assert done.returncode == 0
    assert done.stdout == "['UNet']\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("wavelit: ")
    assert "ModuleNotFoundError: import of wavelit_plugin.autoload.watch halted" in line


def test_damaged_metadata_of_somebody_breaks_no_import(host: Sandbox) -> None:
    code = """
import torch, importlib.metadata
def entry_points(**chosen):
    raise ValueError("damaged")
importlib.metadata.entry_points = entry_points
import mytrainer.models.registry as registry
print(sorted(registry.MODEL_REGISTRY))
"""
    done = host.run(code)
    assert done.stdout == "['UNet']\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("wavelit: ")
    assert line.endswith("ValueError: damaged")


def test_the_finder_answers_any_name_and_never_raises(sandbox: Sandbox) -> None:
    # what importlib, pkgutil and careless libraries ask finders for
    code = """
import json, sys, torch
names = ["", ".", "..", "a..b", "torch", "torch.", "wavelit_plugin.no_such", "no_such", "config",
         "config.models", "neuralop.models.base_model", "\\0", "no such", "ärger", "x" * 5000]
answers = [finder.find_spec(name, path) for name in names for path in (None, [], ["/no/such"])
           for finder in sys.meta_path[:1] if "wavelit" in repr(finder)]
print(json.dumps([len(answers), sum(answer is not None for answer in answers)]))
"""
    assert sandbox.value(code) == [45, 0]


def test_the_module_found_is_the_one_that_would_have_been_found(host: Sandbox) -> None:
    code = """
import torch, json, inspect, pickle
import importlib.util
found = importlib.util.find_spec("mytrainer.models.registry")
code = found.loader.get_code("mytrainer.models.registry")
import mytrainer.models.registry as registry
spec = registry.__spec__
print(json.dumps([
    type(spec).__name__, type(spec.loader).__name__, spec.loader is registry.__loader__,
    spec._initializing, "MODEL_REGISTRY" in inspect.getsource(registry), code.co_name]))
"""
    expected = ["ModuleSpec", "SourceFileLoader", True, False, True, "<module>"]
    assert host.value(code) == expected


def test_a_spec_is_itself_again_after_it_was_waited_for(host: Sandbox) -> None:
    code = """
import mytrainer.models.registry as registry, json
print(json.dumps([type(registry.__spec__).__name__, registry.__spec__._initializing]))
"""
    assert host.value(code) == ["ModuleSpec", False]
