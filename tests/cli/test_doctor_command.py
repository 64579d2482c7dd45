"""``wavelit doctor``: what a fresh process sees, whatever state the hosts are in."""

import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

import pytest

from wavelit_plugin.autoload import announcements
from wavelit_plugin.autoload.watch import WATCH
from wavelit_plugin.cli import diagnosis, main

HOST = "doctorstesthost"
ADAPTER = """
from wavelit_plugin.autoload.records import Registration

def register(module):
    yield Registration(name="thing", undo=lambda: None)
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host of our own, known by its entry point in this and in every new process.

    Yields the file of its only module, to write what importing it does.
    """
    facts = tmp_path / "doctorstesthost-3.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: doctorstesthost\nVersion: 3.0\n")
    (facts / "entry_points.txt").write_text(f"[wavelit.hosts]\n{HOST} = doctorsadapter:register\n")
    (tmp_path / "doctorsadapter.py").write_text(ADAPTER, encoding="utf-8")
    module = tmp_path / f"{HOST}.py"
    module.write_text("", encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "1")
    for name in ("WAVELIT_AUTOLOAD", "WAVELIT_DISABLE", "WAVELIT_STRICT"):
        monkeypatch.delenv(name, raising=False)
    # the real hosts take seconds to import and are not what is tested here
    monkeypatch.setattr(
        announcements,
        "entry_points",
        lambda group: [entry for entry in entry_points(group=group) if entry.name == HOST],
    )
    WATCH.reset()
    yield module
    WATCH.reset()


def doctor(capsys: pytest.CaptureFixture[str], *, code: int) -> dict[str, Any]:
    assert main(["doctor", "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def state(found: dict[str, Any]) -> dict[str, Any]:
    (status,) = (status for status in found["hosts"] if status["watched"] == HOST)
    assert isinstance(status, dict)
    return status


def test_a_host_that_is_here_is_applied_in_a_fresh_process(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = doctor(capsys, code=0)
    assert (state(found)["state"], state(found)["names"]) == ("applied", ["thing"])
    assert state(found)["path"] == "already imported"  # before torch, which called us
    assert found["autoload"].startswith("on")
    assert f"wavelit.hosts: {HOST} = doctorsadapter:register" in found["entry_points"]
    assert HOST not in sys.modules


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ValueError('out of order')", "ValueError: out of order"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import a_module_that_is_not_there", "No module named 'a_module_that_is_not_there'"),
    ],
)
def test_a_broken_host_is_a_failure_with_its_own_words(
    host: Path, code: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host.write_text(code, encoding="utf-8")
    found = doctor(capsys, code=1)
    assert state(found)["state"] == "failed"
    assert reason in state(found)["reason"]
    assert not found["healthy"]


def test_a_host_that_kills_its_process_does_not_kill_the_doctor(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.write_text("import os; os._exit(11)", encoding="utf-8")
    found = doctor(capsys, code=1)
    assert "ended with code 11" in state(found)["reason"]


def test_a_host_that_never_ends_its_import_is_given_up(
    host: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    host.write_text("import time; time.sleep(60)", encoding="utf-8")
    monkeypatch.setattr(diagnosis, "_PATIENCE", 0.5)
    assert "took more than" in state(doctor(capsys, code=1))["reason"]


def test_an_adapter_that_raises_is_a_failure(
    host: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "def register(module): raise RuntimeError('no room')"
    (tmp_path / "doctorsadapter.py").write_text(broken, encoding="utf-8")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert f"failed: {HOST}" in shown
    assert "no room" in shown


def test_what_a_host_prints_does_not_spoil_the_report(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host.write_text("print('welcome', end='')", encoding="utf-8")
    assert state(doctor(capsys, code=0))["state"] == "applied"


@pytest.mark.parametrize("switch", ["WAVELIT_AUTOLOAD", "TORCH_DEVICE_BACKEND_AUTOLOAD"])
def test_a_switch_that_turns_autoload_off_is_named(
    host: Path, switch: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(switch, "0")
    found = doctor(capsys, code=0)
    assert found["autoload"].startswith(f"off: {switch} is '0'; use wavelit run")
    assert found["switches"][switch] == "0"
    assert state(found)["state"] == "pending"


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("WAVELIT_CRITERON", "wavelet", "'WAVELIT_CRITERION'"),
        ("WAVELIT_CRITERION", "wavlet", "'wavelet'"),
        ("WAVELIT_DISABLE", "doctorstesthots", f"{HOST!r}"),
        ("WAVELIT_DEBUG", "flase", "'false'"),
        ("TORCH_DEVICE_BACKEND_AUTOLOAD", "10", "'1'"),
    ],
)
def test_a_switch_that_nobody_knows_is_named_with_the_nearest_and_is_a_failure(
    host: Path,
    name: str,
    value: str,
    nearest: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"  {name}={value}" in lines
    (told,) = (line for line in lines if line.startswith("  misread: "))
    assert name in told
    assert f"did you mean {nearest}?" in told


def test_a_criterion_is_not_called_unknown_where_torch_is_what_is_broken(
    host: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('broken')", encoding="utf-8")
    monkeypatch.setenv("WAVELIT_CRITERION", "wavelet")
    assert doctor(capsys, code=1)["misread"] == []


def test_a_file_of_the_users_folder_does_not_pass_for_a_host(
    host: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "torch.py").write_text("raise RuntimeError('not torch')", encoding="utf-8")
    monkeypatch.chdir(folder)
    assert state(doctor(capsys, code=0))["state"] == "applied"


def test_versions_are_those_that_are_installed(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = doctor(capsys, code=0)["versions"]
    assert found["python"] == sys.version.split()[0]
    assert found["wavelit-plugin"] == version("wavelit-plugin")


def test_the_doctor_itself_imports_no_torch() -> None:
    """So that it can speak where torch is what is broken."""
    import subprocess

    code = (
        "import sys; from wavelit_plugin.cli import diagnosis, doctor;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.host
@pytest.mark.slow
def test_neuraloperator_is_applied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        version("neuraloperator")
    except PackageNotFoundError:
        pytest.skip("neuraloperator is not installed")
    monkeypatch.setenv("TORCH_DEVICE_BACKEND_AUTOLOAD", "1")
    states = {s["watched"]: s for s in doctor(capsys, code=0)["hosts"]}
    assert "wavelit-1m" in states["neuralop.models.base_model"]["names"]
    assert states["neuralop.training.trainer"]["reason"] == "no criterion asked for"
