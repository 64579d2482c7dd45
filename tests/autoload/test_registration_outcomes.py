"""What becomes of a registration, and what the user is told: one line, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from wavelit_plugin.autoload.records import Refusal, Registration, add_key

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

REGISTRY = "mytrainer.models.registry"
IMPORT = "import torch; import mytrainer.models.registry"

# a record as a plugin would give it, watched from the start
RECORD = """
from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.watch import WATCH
WATCH.reset([HostRecord(
    host="mytrainer", distribution="mytrainer", versions=">=0.2,<0.3", package="mytrainer",
    watched="mytrainer.models.registry", adapter="mytrainer_adapter:register")])
WATCH.start()
"""


def failing(host: Sandbox, body: str) -> None:
    """An adapter that registers one name and then does something else."""
    host.write(
        "mytrainer_adapter.py",
        "from wavelit_plugin.autoload.records import Refusal, Registration, add_key\n"
        "def register(module):\n"
        "    yield add_key(module.MODEL_REGISTRY, 'waveliT', 'ours')\n"
        f"    {body}\n",
    )


def outcome_and_warning(host: Sandbox, code: str = IMPORT, **switches: str) -> tuple[Any, str]:
    """Return the status and the only line on standard error."""
    printed = (
        "\nimport sys, json, dataclasses\nfrom wavelit_plugin.autoload.watch import WATCH\n"
        "registry = sys.modules['mytrainer.models.registry'].MODEL_REGISTRY\n"
        "status = [s for s in WATCH.report() if s.watched.startswith('mytrainer')][0]\n"
        "print(json.dumps([sorted(registry), dataclasses.asdict(status)]))\n"
    )
    done = host.run(code + printed, **switches)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) <= 1, done.stderr
    registry, status = json.loads(done.stdout.splitlines()[-1])
    return {"registry": registry, **status}, done.stderr


def test_a_missing_host_is_no_event(sandbox: Sandbox) -> None:
    sandbox.announce("nowhere.registry = no_such_adapter:register")
    sandbox.write("colours.py", "")
    missing = """
import torch, colours
try:
    import nowhere.registry
except ModuleNotFoundError as error:
    assert error.name == "nowhere"
from wavelit_plugin.autoload.watch import WATCH
WATCH.scan()
"""
    status = sandbox.outcome(missing)["statuses"]["nowhere.registry"]
    assert (status["state"], status["reason"], status["names"]) == ("pending", "", [])
    done = sandbox.run("import torch, colours")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    "order", [IMPORT, f"import {REGISTRY}", "import mytrainer.models.pdemodel"]
)
def test_a_broken_host_speaks_for_itself(host: Sandbox, order: str) -> None:
    # torch is imported before the host, or half-way through the module that fails, or before it
    host.write("colours.py", "")
    host.fake_host("import torch, colours\nraise RuntimeError('the host is broken', 7)\n")
    caught = "except RuntimeError as error: print(error.args, error.__cause__, error.__context__)"
    done = host.run(f"try: {order}\n{caught}")
    assert (done.stdout, done.stderr) == ("('the host is broken', 7) None None\n", "")
    alone = host.run(order, WAVELIT_AUTOLOAD="0").stderr.splitlines()
    assert host.run(order).stderr.splitlines()[-1] == alone[-1]


# what the adapter does, and the reason that the report and the log give
FAILURES = [
    ("raise ValueError('no such\\n  thing')", "ValueError: no such thing"),
    ("raise SystemExit(3)", "SystemExit: 3"),
    ("import sys; sys.exit()", "SystemExit"),
    ("raise BaseException('odd')", "BaseException: odd"),
    ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("yield 'waveliT'", "TypeError: an adapter yields Registration or Refusal records"),
]


@pytest.mark.parametrize(("body", "reason"), FAILURES)
def test_a_failing_adapter_is_undone_and_logged(host: Sandbox, body: str, reason: str) -> None:
    failing(host, body)
    outcome, line = outcome_and_warning(host)
    assert outcome["registry"] == ["UNet"]
    assert (outcome["state"], outcome["names"], outcome["path"]) == ("failed", [], "")
    assert outcome["reason"].startswith(reason)
    assert line.startswith(f"wavelit: mytrainer ({REGISTRY}): not registered: {reason}")


def test_control_c_is_the_users_and_goes_through(host: Sandbox) -> None:
    failing(host, "raise KeyboardInterrupt")
    done = host.run(IMPORT)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("no_such_adapter:register", "ModuleNotFoundError: No module named 'no_such_adapter'"),
        ("mytrainer_adapter:no_such", "AttributeError: module 'mytrainer_adapter' has no"),
        ("mytrainer_adapter:__name__", "ImportError: the adapter 'mytrainer_adapter:__name__'"),
    ],
)
def test_an_unusable_adapter_is_logged(host: Sandbox, address: str, reason: str) -> None:
    host.announce(f"{REGISTRY} = {address}")
    outcome, line = outcome_and_warning(host)
    assert outcome["state"] == "failed"
    assert outcome["reason"].startswith(reason)
    assert reason in line


# what is announced, and what the log says of it
UNUSABLE = [
    (":register", "expected a module or module:function, got colours.registry = :register"),
    ("no_such_plugin", "plugin no_such_plugin are skipped: ModuleNotFoundError: No module named"),
    ("broken_plugin", "plugin broken_plugin are skipped: ZeroDivisionError: division by zero"),
    ("other_plugin", "colours.registry announced in the group wavelit.hosts, and its records are"),
]


@pytest.mark.parametrize(("value", "reason"), UNUSABLE)
def test_an_unusable_announcement_is_logged_and_hides_no_other(
    host: Sandbox, value: str, reason: str
) -> None:
    host.announce(f"colours.registry = {value}", f"{REGISTRY} = mytrainer_adapter:register")
    host.write("broken_plugin.py", "1 / 0\n")
    host.write(
        "other_plugin.py",
        "from wavelit_plugin.autoload.records import HostRecord\n"
        "def wavelit_hosts():\n"
        "    return [HostRecord(host='f', watched='flavours.registry', adapter='f:go')]\n",
    )
    outcome, line = outcome_and_warning(host)
    assert outcome["state"] == "applied"
    assert reason in line


PLUGIN = """
from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.plugins import hookimpl

@hookimpl
def wavelit_hosts():
    return [HostRecord(
        host="mytrainer", distribution="mytrainer", versions=">=0.2,<0.3", package="mytrainer",
        watched="mytrainer.models.registry", adapter="mytrainer_adapter:register")]
"""


@pytest.mark.parametrize(("version", "state"), [("0.2.0", "applied"), ("0.3", "skipped")])
def test_a_plugins_own_record_counts_from_the_first_import(
    host: Sandbox, version: str, state: str
) -> None:
    host.write("mytrainer_plugin.py", PLUGIN)
    host.announce(f"{REGISTRY} = mytrainer_plugin")
    host.distribution("mytrainer", version)
    outcome, line = outcome_and_warning(host)
    assert (outcome["state"], outcome["supported"]) == (state, ">=0.2,<0.3")
    assert ("and >=0.2,<0.3 is supported" in line) == (state == "skipped")


def test_a_name_that_is_taken_stays(host: Sandbox) -> None:
    host.fake_host("import torch\nMODEL_REGISTRY = {'waveliT': 'theirs'}\n")
    outcome, line = outcome_and_warning(
        host, IMPORT + "\nassert mytrainer.models.registry.MODEL_REGISTRY['waveliT'] == 'theirs'"
    )
    assert outcome["state"] == "skipped"
    assert outcome["reason"] in line
    assert "'waveliT' is taken already" in line


def test_what_can_be_registered_is_though_another_name_is_taken(host: Sandbox) -> None:
    failing(host, "yield Refusal(name='other', reason='no room')")
    outcome, line = outcome_and_warning(host)
    assert (outcome["state"], outcome["names"]) == ("applied", ["waveliT"])
    assert outcome["reason"] == "other: no room"
    assert line.rstrip().endswith("other: no room")


VERSIONS = [("0.2.0", "applied"), ("0.2.7", "applied"), ("0.1.9", "skipped"), ("0.3", "skipped")]


@pytest.mark.parametrize(("version", "state"), VERSIONS)
@pytest.mark.parametrize("told_by", ["distribution", "package"])
def test_only_supported_versions_are_registered_with(
    host: Sandbox, version: str, state: str, told_by: str
) -> None:
    if told_by == "package":  # a checkout hides another version that is installed
        host.write("mytrainer/__init__.py", f"__version__ = {version!r}\n")
    installed = version if told_by == "distribution" else "0.2.5"
    host.distribution("mytrainer", installed)
    outcome, line = outcome_and_warning(host, RECORD + IMPORT)
    assert (outcome["state"], outcome["installed"]) == (state, version)
    wanted = f"mytrainer {version} is here and >=0.2,<0.3 is supported"
    assert (wanted in line) == (wanted in outcome["reason"]) == (state == "skipped")


@pytest.mark.parametrize("version", ["1.0.2", "3.0.0"])
def test_a_built_in_host_of_another_version_is_skipped(sandbox: Sandbox, version: str) -> None:
    sandbox.write("neuralop/__init__.py", f"__version__ = {version!r}\n")
    sandbox.write("neuralop/models/base_model.py", "import torch\n")
    watched = "neuralop.models.base_model"
    code = (
        f"import {watched}, sys\n"
        "print([m for m in sys.modules if m.startswith('wavelit_plugin.hosts.neural')])\n"
        "from wavelit_plugin.autoload.watch import WATCH\n"
        f"print([s.state for s in WATCH.report() if s.watched == '{watched}'])\n"
    )
    done = sandbox.run(code)
    assert (done.returncode, done.stdout) == (
        0,
        "['wavelit_plugin.hosts.neuraloperator']\n['skipped']\n",
    )
    (line,) = done.stderr.splitlines()
    assert f"neuraloperator {version} is here and >=2.0,<3 is supported" in line


def test_a_host_that_tells_no_version_is_registered_with(host: Sandbox) -> None:
    outcome, line = outcome_and_warning(host, RECORD + IMPORT)
    assert (outcome["state"], outcome["installed"], line) == ("applied", None, "")


def test_another_package_of_the_hosts_name_is_left_alone(host: Sandbox) -> None:
    # without the module that is always imported beside it, and without a line
    host.write("config/models.py", "class ModelConfig: pass\n")
    host.write("colours.py", "")
    status = host.outcome("import torch; import config.models; import colours")["statuses"]
    assert (status["config.models"]["state"], status["config.models"]["reason"]) == ("pending", "")


def test_an_adapter_may_say_that_the_module_is_not_the_hosts(host: Sandbox) -> None:
    host.write("mytrainer_adapter.py", "def register(module):\n    print('asked')\n")
    host.write("colours.py", "")
    done = host.run(
        IMPORT + "\nimport colours\nimport wavelit_plugin.autoload.watch as w\n"
        "print([s.state for s in w.WATCH.report() if s.host == 'mytrainer'])"
    )
    assert done.stdout.split("\n")[:2] == ["asked", "['pending']"]  # asked once
    assert not done.stderr


def test_nothing_is_registered_twice(host: Sandbox) -> None:
    failing(host, "print('applied')")
    host.write("colours.py", "")
    again = "import importlib, colours; importlib.reload(mytrainer.models.registry)"
    assert host.run(f"{IMPORT}\n{again}").stdout.split() == ["applied"]


def test_a_key_is_added_once_and_removed_while_it_is_ours() -> None:
    registry = {"UNet": 1}
    added = add_key(registry, "waveliT", 2)
    assert isinstance(added, Registration)
    assert isinstance(add_key(registry, "waveliT", 3), Refusal)
    assert registry == {"UNet": 1, "waveliT": 2}
    added.undo()
    assert registry == {"UNet": 1}
    added.undo()
    registry["waveliT"] = 4
    added.undo()
    assert registry == {"UNet": 1, "waveliT": 4}
