"""Machines that were reported to break training programs; above each what, and where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

TINY = """
import sys
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
model = WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, width=64, heads=1, depth=1))
"""


def python(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with one thread and no switch of ours."""
    kept = {key: text for key, text in os.environ.items() if not key.startswith("WAVELIT_")}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **{"env": {**kept, "OMP_NUM_THREADS": "1"}, **more},  # type: ignore[call-overload]
    )


TRAIN = """
import torch
from wavelit_plugin import WaveletLoss, WaveLiT, WaveLiTConfig, report
model = WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, width=8, heads=1, depth=1))
u = torch.randn(2, 1, 16, 16)
WaveletLoss()(model(u, target=u), u).backward()
model.save("model.safetensors")
report()
"""


# matplotlib/matplotlib#832, foundation-model-stack/fms-hf-tuning#367: an import or a kernel's cache
# needs a home that can be written
def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    keys = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    kept = {key: os.environ[key] for key in keys if key in os.environ}
    done = python(
        "-c", TRAIN, env={**kept, "HOME": "/proc/nobody", "OMP_NUM_THREADS": "1"}, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


# no file may be larger than half of what is saved, as if the disk were full then
FULL = f"""
import resource, signal
{TINY}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
model.save(sys.argv[1])
"""


# mlfoundations/open_lm#154, facebookresearch/metaseq#53: a full disk ends a training, and what was
# saved before is damaged
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, width=64, heads=1, depth=1)).save(path)
    before = path.read_bytes()
    failed = python("-c", FULL, path, len(before) // 2)
    assert failed.returncode == 1
    assert "File too large" in failed.stderr.splitlines()[-1]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = f"""
import os, signal, time
{TINY}
for wait in (0.02, 0.023, 0.03, 0.05, 0.1):
    child = os.fork()
    while not child:
        model.save(sys.argv[1])
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    WaveLiT.load(sys.argv[1])
"""


# Lightning-AI/pytorch-lightning#688: a process that is killed while it saves leaves half a file
def test_a_kill_while_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, width=64, heads=1, depth=1)).save(path)
    done = python("-W", "ignore::DeprecationWarning", "-c", KILLED, path)
    assert done.returncode == 0, done.stderr
