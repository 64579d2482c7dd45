"""Plugins as pip installs them: found by their metadata, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

GOOD = """
from torch import nn
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import CriterionRecord, HostRecord, ModelRecord

@hookimpl
def wavelit_models():
    return [ModelRecord(name="identity", build=lambda **knobs: nn.Identity(), summary="none")]

@hookimpl
def wavelit_criteria():
    return [CriterionRecord(name="l1", build=nn.L1Loss, summary="absolute error")]

@hookimpl
def wavelit_hosts():
    return [HostRecord(host="mytrainer", watched="mytrainer.registry", adapter="adapter:register")]
"""

ADAPTER = """
from wavelit_plugin.autoload.records import add_key

def register(module):
    yield add_key(module.REGISTRY, "waveliT", "ours")
"""

HOOK = "from wavelit_plugin.plugins.specs import hookimpl\n"

# plugins that cannot be used, and what their one line in the log says
BROKEN = {
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "misspelt": (
        HOOK + "@hookimpl\ndef wavelit_model(): return []",
        "unknown hook 'wavelit_model'",
    ),
    "mistyped": (
        HOOK + "@hookimpl\ndef wavelit_models(): return [{'name': 'mine'}]",
        "expected ModelRecord records, got {'name': 'mine'}",
    ),
    "missing": (None, "No module named 'plugin_missing'"),
}

REPORT = """
import json
import mytrainer.registry as theirs
from wavelit_plugin.plugins import activate, criteria, hosts, models, report
activate()
models()  # asked a second time below: the plugins are not loaded again
built = {record.name: type(record.build()).__name__ for record in criteria()
         if record.name != "wavelet"}
print(json.dumps({
    "models": [record.name for record in models()],
    "criteria": [record.name for record in criteria()],
    "built": built,
    "hosts": [record.host for record in hosts()],
    "registry": theirs.REGISTRY,
    "states": {status.host: status.state for status in report()},
}))
"""


def install(folder: Path, name: str, text: str | None) -> None:
    """Write a plugin's module, if it has one, and the metadata that announce it."""
    if text is not None:
        (folder / f"plugin_{name}.py").write_text(text + "\n", encoding="utf-8")
    metadata = folder / f"wavelit_{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: wavelit-{name}\nVersion: 1.0\n", encoding="utf-8"
    )
    entry = f"[wavelit]\n{name} = plugin_{name}\n"
    (metadata / "entry_points.txt").write_text(entry, encoding="utf-8")


def run(folder: Path, code: str, **switches: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process that finds the plugins."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WAVELIT_", "TORCH_"))}
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **switches},
        cwd=folder,
        timeout=120,
    )


def test_installed_plugins_provide_and_broken_ones_are_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "mytrainer").mkdir()
    (tmp_path / "mytrainer" / "registry.py").write_text("REGISTRY = {}\n", encoding="utf-8")
    (tmp_path / "adapter.py").write_text(ADAPTER, encoding="utf-8")
    install(tmp_path, "good", GOOD)
    for name, (text, _) in BROKEN.items():
        install(tmp_path, name, text)
    done = run(tmp_path, REPORT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"waveliT", "waveliT-1M", "identity"} <= set(found["models"])
    assert found["criteria"] == ["wavelet", "l1"]
    assert found["built"] == {"l1": "L1Loss"}
    assert found["hosts"][-1] == "mytrainer"
    assert found["registry"] == {"waveliT": "ours"}
    assert found["states"]["mytrainer"] == "applied"
    lines = done.stderr.splitlines()
    for name, (_, reason) in BROKEN.items():
        # what is wrong with a hook's result is said whenever it is asked
        about = {line for line in lines if line.startswith("wavelit: ") and f" {name} " in line}
        assert len(about) == 1, lines
        assert reason in about.pop()
    assert {line.partition(": ")[0] for line in lines} == {"wavelit"}  # no traceback


def test_strict_raises_what_a_broken_plugin_raised(tmp_path: Path) -> None:
    install(tmp_path, "exits", "raise SystemExit(0)")
    code = "from wavelit_plugin.plugins import models\nmodels()"
    done = run(tmp_path, code, WAVELIT_STRICT="1")
    assert done.returncode == 1
    assert "SystemExit: 0" in done.stderr.splitlines()[-1]
