"""The third-party example, installed as a user would, does in new processes what it says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wavelit_plugin.model import PRESETS

if TYPE_CHECKING:
    from tests.examples.conftest import Run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OURS = [*PRESETS, "waveliT-tiny"]
MODELS, CRITERIA = ["linear", *OURS], ["mse", "wavelet", "l1"]

pytestmark = pytest.mark.slow

# the registries after the import alone, then off, off again, on and off
SWITCHED = """
import json, hello_trainer
def names():
    return [list(hello_trainer.MODELS), list(hello_trainer.CRITERIA)]
seen = [names()]
from wavelit_plugin.plugins import activate, deactivate
for switch in (deactivate, deactivate, activate, deactivate):
    switch()
    seen.append(names())
print(json.dumps(seen))
"""

# channel c is multiplied by c on its way through; what the trainer builds against the same thing
# permuted by hand; the criterion as hosts use it that sum over the batch or slice the channels
LAYOUT = """
import json, torch, hello_trainer
from wavelit_hello_trainer.adapter import ChannelsLast
class Count(torch.nn.Module):
    def forward(self, u):
        return u * torch.arange(u.shape[1]).view(1, -1, 1, 1)
counted = ChannelsLast(Count())(torch.ones(2, 4, 6, 3))
model = hello_trainer.MODELS["waveliT-tiny"](3)
u = torch.randn(2, 8, 12, 3)
first = torch.permute(u, (0, 3, 1, 2))
torch.testing.assert_close(model(u), torch.permute(model.core(first), (0, 2, 3, 1)))
loss = hello_trainer.CRITERIA["l1"]()(u, torch.zeros_like(u))
torch.testing.assert_close(loss, u.abs().mean())
from wavelit_plugin.plugins import criteria
(l1,) = [record for record in criteria() if record.name == "l1"]
total = l1.build(reduction="sum")
torch.testing.assert_close(total(first, first + 3), torch.tensor(2 * 3.0))
assert float(total(first[:, :0], first[:, :0])) == 0.0
print(json.dumps([counted.shape, counted[0, 0, 0].tolist(), counted.std((0, 1, 2)).tolist()]))
"""

# both on a task that they take, and what they say of one axis and of a constant beside the fields
OPERATORS = """
import json, torch
from dataclasses import replace
from wavelit_plugin.plugins import operators
from wavelit_plugin.plugins.types import GridTask
task = GridTask(in_channels=2, out_channels=2, size=(8, 12), boundary=("periodic",) * 2,
                continues=True, fields=("u", "v"))
line, more = replace(task, size=(8,), boundary=("open",)), replace(task, in_channels=3)
found = {}
for record in operators():
    if record.ecosystem in ("hello_trainer", "wavelit_hello_trainer"):
        shape = record.build(task, None)(torch.randn(2, 2, 8, 12)).shape
        found[record.name] = [record.missing(), shape, record.takes(line), record.takes(more)]
print(json.dumps(found))
"""

REPORT = """
import json, hello_trainer
from wavelit_plugin.plugins import report
(status,) = [status for status in report() if status.host == "hello_trainer"]
print(json.dumps([list(hello_trainer.MODELS), status.state, status.reason]))
"""


@pytest.fixture
def printed(run: Run, installed: Path, tmp_path: Path) -> Any:
    """Run code that sees the packages; return the JSON that it prints, and standard error."""

    def _printed(code: str, *path: Path, **switches: str) -> tuple[Any, str]:
        done = run("-c", code, path=(*path, installed), cwd=tmp_path, **switches)
        return json.loads(done.stdout), done.stderr

    return _printed


def test_importing_the_trainer_registers_and_deactivating_takes_back(printed: Any) -> None:
    seen, stderr = printed(SWITCHED)
    on, off = [MODELS, CRITERIA], [["linear"], ["mse"]]
    assert seen == [on, off, off, on, off]
    assert stderr == ""


def test_the_trainer_is_itself_where_autoload_is_off(printed: Any) -> None:
    (models, state, _), stderr = printed(REPORT, WAVELIT_AUTOLOAD="0")
    assert (models, state, stderr) == (["linear"], "pending", "")


def test_fields_are_moved_to_where_the_records_expect_them_and_back(printed: Any) -> None:
    (shape, fields, spread), _ = printed(LAYOUT)
    assert shape == [2, 4, 6, 3]
    assert fields == [0.0, 1.0, 2.0]
    assert spread == [0.0, 0.0, 0.0]


def test_another_version_of_the_trainer_is_left_alone(printed: Any, tmp_path: Path) -> None:
    facts = tmp_path / "newer" / "hello_trainer-2.0.dist-info"
    facts.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: hello-trainer\nVersion: 2.0\n"
    (facts / "METADATA").write_text(metadata, encoding="utf-8")
    (models, state, reason), stderr = printed(REPORT, facts.parent)
    assert (models, state) == (["linear"], "skipped")
    assert "hello-trainer 2.0 is here and >=1,<2 is supported" in reason
    assert len(stderr.splitlines()) == 1


def test_the_demonstration_trains_and_takes_everything_back(
    run: Run, installed: Path, tmp_path: Path
) -> None:
    demo = EXAMPLES / "wavelit_hello_trainer" / "demo.py"
    done = run("-W", "error", demo, path=(installed,), cwd=tmp_path)
    lines = dict(line.split(": ") for line in done.stdout.splitlines())
    assert lines["models"].split() == MODELS
    assert lines["criteria"].split() == CRITERIA
    for name in ("waveliT", "waveliT-tiny"):
        first, second = map(float, lines[name].split())
        assert math.isfinite(first)
        assert second < first
    assert lines["without us"] == "linear mse"


def test_doctor_and_list_show_it(run: Run, installed: Path, tmp_path: Path) -> None:
    wavelit = ("-m", "wavelit_plugin.cli")
    told = run(*wavelit, "doctor", "--json", path=(installed,), cwd=tmp_path)
    found = json.loads(told.stdout)
    (host,) = [status for status in found["hosts"] if status["host"] == "hello_trainer"]
    assert (host["watched"], host["state"]) == ("hello_trainer.registry", "applied")
    assert host["names"] == [*OURS, "wavelet", "l1"]
    assert (host["distribution"], host["installed"]) == ("hello-trainer", "1.0")
    assert host["supported"] == ">=1,<2"
    shown = run(
        *wavelit,
        "config",
        "hello_trainer",
        "--model",
        "waveliT-tiny",
        path=(installed,),
        cwd=tmp_path,
    )
    assert 'hello_trainer.train("waveliT-tiny", frames' in shown.stdout
    listed = run(*wavelit, "list", "criteria", "--json", path=(installed,), cwd=tmp_path)
    assert [row["name"] for row in json.loads(listed.stdout)["criteria"]] == ["wavelet", "l1"]


def test_its_operator_and_its_model_can_be_compared(
    run: Run, installed: Path, tmp_path: Path
) -> None:
    wavelit = ("-m", "wavelit_plugin.cli", "list", "operators", "--json")
    listed = run(*wavelit, path=(installed,), cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(listed.stdout)["operators"]}
    for name, ecosystem in (
        ("hello_trainer/linear", "hello_trainer"),
        (OURS[-1], "wavelit_hello_trainer"),
    ):
        assert (rows[name]["ecosystem"], rows[name]["available"]) == (ecosystem, "yes")


def test_its_operators_do_the_tasks_that_they_take(printed: Any) -> None:
    found, stderr = printed(OPERATORS)
    assert found == {
        "hello_trainer/linear": [None, [2, 2, 8, 12], "2-D only", "as many outputs as inputs only"],
        "waveliT-tiny": [None, [2, 2, 8, 12], None, None],
    }
    assert stderr == ""
