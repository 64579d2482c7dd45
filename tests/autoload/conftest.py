"""Processes of their own, with fake hosts on their path and, where real PyTorch tells no more,
a fake one that calls entry points as PyTorch does and imports in a millisecond."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# what torch/__init__.py does at its end, and an import that follows it there
FAKE_TORCH = """
from importlib.metadata import entry_points

def _import_device_backends():
    for entry in entry_points(group="torch.backends"):
        try:
            entry.load()()
        except Exception as error:
            raise RuntimeError(f"Failed to load the backend extension: {entry.name}") from error

_import_device_backends()
import torch._native
"""

# what the process has made of it; the registry is read before anything else is imported
OUTCOME = """
import sys
registry = vars(sys.modules.get("mytrainer.models.registry", sys)).get("MODEL_REGISTRY")
registry = dict(registry) if registry is not None else None
import json, dataclasses
from wavelit_plugin.autoload.watch import WATCH
statuses = {status.watched: dataclasses.asdict(status) for status in WATCH.report()}
print(json.dumps({"registry": registry, "statuses": statuses}))
"""

ADAPTER = """
from wavelit_plugin.autoload.records import add_key

def register(module):
    yield add_key(module.MODEL_REGISTRY, "waveliT", "ours")
"""

PLAIN_REGISTRY = "import torch\nMODEL_REGISTRY = {'UNet': 'theirs'}\n"

REGISTRY = "mytrainer.models.registry"


class Sandbox:
    """A folder on the path of new Python processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        """Write a module; packages on the way to it get no __init__.py."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def distribution(self, name: str, version: str = "1.0", entry_points: str = "") -> None:
        """Pretend that a distribution is installed."""
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        self.write(f"{folder}/METADATA", metadata)
        self.write(f"{folder}/entry_points.txt", entry_points)

    def fake_torch(self) -> None:
        self.write("torch/__init__.py", FAKE_TORCH)
        self.write("torch/_native.py", "")
        self.write("torch/nn.py", "")

    def fake_host(
        self, registry: str = "import torch\nMODEL_REGISTRY = {'UNet': 'theirs'}\n"
    ) -> None:
        """A host of two packages deep; a third party announces an adapter for its registry."""
        self.write("mytrainer/utils.py", "import torch\nCOUNT = 1\n")
        self.write("mytrainer/models/registry.py", registry)
        self.write(
            "mytrainer/models/pdemodel.py",
            "import torch\nfrom .registry import MODEL_REGISTRY\nSEEN = sorted(MODEL_REGISTRY)\n",
        )
        self.write("mytrainer_adapter.py", ADAPTER)
        self.announce(f"{REGISTRY} = mytrainer_adapter:register")

    def announce(self, *entries: str) -> None:
        """Declare entry points in the group of third-party hosts."""
        lines = "\n".join(["[wavelit.hosts]", *entries, ""])
        self.distribution("mytrainer-wavelit", entry_points=lines)

    def run(self, code: str, **switches: str) -> subprocess.CompletedProcess[str]:
        """Run code in a new process; only these WAVELIT_ switches are set."""
        return self.python("-c", code, **switches)

    def python(self, *arguments: str, **switches: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter; only these WAVELIT_ switches are set."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WAVELIT_", "TORCH_"))}
        path = os.pathsep.join(filter(None, [str(self.folder), os.environ.get("PYTHONPATH")]))
        environment = {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **switches}
        return subprocess.run(
            [sys.executable, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
            cwd=self.folder,
        )

    def value(self, code: str, **switches: str) -> Any:
        """Run code that must succeed and be silent on standard error; return the JSON it prints."""
        done = self.run(code, **switches)
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def outcome(self, code: str, **switches: str) -> Any:
        """Run imports; return the fake host's registry and the report after them."""
        return self.value(code + OUTCOME, **switches)


@pytest.fixture
def bare(tmp_path: Path) -> Sandbox:
    """Nothing fake: the real PyTorch and the real hosts."""
    return Sandbox(tmp_path)


@pytest.fixture
def sandbox(bare: Sandbox) -> Sandbox:
    """A fake PyTorch and nothing else."""
    bare.fake_torch()
    return bare


@pytest.fixture
def host(sandbox: Sandbox) -> Sandbox:
    """A fake PyTorch and a fake host that a third party registers with."""
    sandbox.fake_host()
    return sandbox
