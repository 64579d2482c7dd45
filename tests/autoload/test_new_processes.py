"""Every new process registers for itself: workers that are spawned, and programs run by -m."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

WORKERS = """
import json
from torch.utils.data import DataLoader, Dataset

class Names(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        import os
        from mytrainer.models.registry import MODEL_REGISTRY
        return os.getpid(), sorted(MODEL_REGISTRY)

if __name__ == "__main__":
    import os
    loader = DataLoader(Names(), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    found = [(pid != os.getpid(), names) for pid, names in loader]
    print(json.dumps(found))
"""


def test_spawned_workers_of_a_data_loader_see_the_registration(bare: Sandbox) -> None:
    bare.fake_host()
    bare.write("train.py", WORKERS)
    done = bare.python("train.py")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[True, ["UNet", "waveliT"]]] * 2


def test_a_program_inside_the_host_is_registered_with(host: Sandbox) -> None:
    host.write("mytrainer/train.py", "from mytrainer.models.pdemodel import SEEN\nprint(SEEN)\n")
    command = "import runpy; runpy.run_module('mytrainer.train', run_name='__main__')"
    assert host.run(command).stdout == "['UNet', 'waveliT']\n"
    assert host.python("-m", "mytrainer.train").stdout == "['UNet', 'waveliT']\n"


def test_the_watched_module_run_as_a_program_still_runs(host: Sandbox) -> None:
    host.write("mytrainer/models/__init__.py", "import torch\n")
    done = host.python("-m", "mytrainer.models.registry")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_import_in_a_thread_is_registered_with(host: Sandbox) -> None:
    code = """
import torch, threading, importlib
names = ["mytrainer.models.registry", "mytrainer.models.pdemodel", "mytrainer.utils"] * 4
threads = [threading.Thread(target=importlib.import_module, args=[name]) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    outcome = host.outcome(code)
    assert outcome["registry"] == {"UNet": "theirs", "waveliT": "ours"}


def test_the_interpreter_itself_is_untouched() -> None:
    # no .pth file: a process without PyTorch never hears of us
    code = "import sys; print([m for m in sys.modules if 'wavelit' in m and 'editable' not in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"
