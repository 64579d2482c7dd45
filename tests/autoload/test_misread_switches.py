"""Variables, values and names that nobody knows: told once, in one line, with the nearest known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wavelit_plugin.autoload.switches import CRITERION, DISABLE, PYTORCHS, SWITCHES, misread
from wavelit_plugin.plugins import hosts

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

ROOT = Path(__file__).parents[2]
HOSTS, CRITERIA = ("neuraloperator", "mytrainer"), ("wavelet", "l1")
IMPORT = "import torch; import mytrainer.models.registry"

# each switch with a value that it may have, the name misspelt, and a value with what is near it
TABLE = {
    "WAVELIT_AUTOLOAD": ("yes", "WAVELIT_AUTOLAOD", "flase", "'false'"),
    DISABLE: ("MyTrainer, neuraloperator", "WAVELIT_DISABLED", "neuralop", "'neuraloperator'"),
    CRITERION: ("l1", "WAVELIT_CRITERON", "wavlet", "'wavelet'"),
    "WAVELIT_STRICT": ("off", "WAVELET_STRICT", "yess", "'yes'"),
    "WAVELIT_DEBUG": ("No", "wavelit_debug", "of", "'off'"),
    PYTORCHS: ("1", "WAVELIT_DEVICE_BACKEND_AUTOLOAD", "10", "'1'"),
}


@pytest.fixture(autouse=True)
def _none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)


def test_the_table_holds_every_switch() -> None:
    assert list(TABLE) == list(SWITCHES)


@pytest.mark.parametrize("name", SWITCHES)
def test_a_right_value_and_an_empty_one_are_understood(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (TABLE[name][0], "", *SWITCHES[name]):
        monkeypatch.setenv(name, value)
        assert list(misread(HOSTS, CRITERIA)) == []


@pytest.mark.parametrize("name", SWITCHES)
def test_a_misspelt_variable_is_told_with_the_nearest(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, misspelt, _, _ = TABLE[name]
    monkeypatch.setenv(misspelt, value)
    (line,) = misread(HOSTS, CRITERIA)
    assert line.startswith(f"unknown environment variable {misspelt!r}; did you mean {name!r}?")


@pytest.mark.parametrize("name", SWITCHES)
def test_a_bad_value_is_told_with_the_nearest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, value, nearest = TABLE[name]
    monkeypatch.setenv(name, value)
    (line,) = misread(HOSTS, CRITERIA)
    assert name in line
    assert f"{value!r}; did you mean {nearest}?" in line


@pytest.mark.parametrize("name", ["WAVELIT_STRICT", "WAVELIT_DEBUG", "WAVELIT_AUTOLOAD"])
def test_a_bad_value_counts_as_not_set(host: Sandbox, name: str) -> None:
    done = host.run(f"{IMPORT} as r; print(sorted(r.MODEL_REGISTRY))", **{name: "flase"})
    assert (done.returncode, done.stdout) == (0, "['UNet', 'waveliT']\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"wavelit: unknown value of {name} 'flase'; did you mean 'false'?")
    assert line.endswith("it counts as not set")


@pytest.mark.parametrize(
    "name",
    [
        *("WAVELIT_CHECKOUTS", "WAVELIT_ENVIRONMENTS", "WAVELIT_REQUIRED_HOSTS"),
        *("WAVELET_FAMILY", "WAVES_CRITERION", "WAV_DEBUG", "PYTHONPATH"),
    ],
)
def test_what_is_somebody_elses_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "any")
    assert list(misread(HOSTS, CRITERIA)) == []


def test_a_criterion_is_left_alone_where_none_can_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CRITERION, "wavlet")
    assert list(misread(HOSTS)) == []


class TestWhenAHostIsImported:
    def test_all_is_told_in_one_line(self, host: Sandbox) -> None:
        host.write("othertrainer.py", "")
        host.announce(
            "mytrainer.models.registry = mytrainer_adapter:register", "othertrainer = none:none"
        )
        given = {"WAVELIT_CRITERON": "wavelet", "WAVELIT_DISABLE": "othertrainer,mytrainr"}
        (line,) = host.run(f"{IMPORT}, othertrainer", **given).stderr.splitlines()
        assert line.startswith("wavelit: unknown environment variable 'WAVELIT_CRITERON'; did you ")
        assert "; unknown host in WAVELIT_DISABLE 'mytrainr'; did you mean 'mytrainer'?" in line

    def test_a_third_partys_host_is_known_also_where_it_came_before_torch(
        self, host: Sandbox
    ) -> None:
        host.write("neuralop/__init__.py", "__version__ = '2.0.0'\n")
        host.write("neuralop/models/base_model.py", "class BaseModel: _models = {}\n")
        code = "import neuralop.models.base_model, torch"
        given = {"WAVELIT_DISABLE": "mytrainer,neuraloperator"}
        assert host.run(code, **given).stderr == ""

    def test_nothing_is_told_without_a_host(self, host: Sandbox) -> None:
        host.write("colours.py", "")
        assert host.run("import torch, colours", WAVELIT_CRITERON="wavelet").stderr == ""

    def test_strict_makes_an_error_of_it(self, host: Sandbox) -> None:
        done = host.run(IMPORT, WAVELIT_STRICT="1", WAVELIT_DISBLE="x")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(
            "ImportError: wavelit: unknown environment variable 'WAVELIT_DISBLE'"
        )

    @pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("3", 0)])
    def test_one_rank_tells(self, host: Sandbox, rank: str, lines: int) -> None:
        done = host.run(IMPORT, WAVELIT_CRITERON="wavelet", LOCAL_RANK=rank)
        assert len(done.stderr.splitlines()) == lines

    def test_workers_do_not_tell_it_again(self, host: Sandbox) -> None:
        host.write(
            "work.py",
            "import multiprocessing\n\n"
            "def registry(_):\n"
            "    import torch, mytrainer.models.registry as registry\n"
            "    return sorted(registry.MODEL_REGISTRY)\n\n"
            "if __name__ == '__main__':\n"
            "    registry(0)\n"
            "    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
            "        print(pool.map(registry, range(2)))\n",
        )
        done = host.python("work.py", WAVELIT_CRITERON="wavelet")
        assert done.stdout == f"{[['UNet', 'waveliT']] * 2}\n"
        assert len(done.stderr.splitlines()) == 1


TRAINER = """
import torch
class Trainer:
    def train(self, epochs):
        '''Theirs.'''
        return epochs
"""
TRAIN = "import torch, mytrainer.training as t; print(t.Trainer().train(3))"
# a host whose Trainer a criterion is asked to join, as the built-in ones are
RECORD = """
from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.watch import WATCH
WATCH.reset([HostRecord(
    host="mytrainer", distribution="mytrainer", versions="{versions}", package="mytrainer",
    watched="mytrainer.training", adapter="criterion_adapter:register",
    only_if=("WAVELIT_CRITERION", "no criterion asked for"), training="{training}")])
WATCH.start()
"""


class TestACriterionThatCannotBeHad:
    """No training begins with another loss than the one that was asked for."""

    @pytest.fixture
    def trainer(self, sandbox: Sandbox) -> Sandbox:
        sandbox.write("mytrainer/__init__.py", "__version__ = '1.0'\n")
        sandbox.write("mytrainer/training.py", TRAINER)
        sandbox.write(
            "criterion_adapter.py",
            "from wavelit_plugin.errors import unknown_name\n"
            "def register(module):\n"
            "    raise unknown_name('criterion', 'wavlet', ['wavelet', 'l1'])\n"
            "    yield\n",
        )
        return sandbox

    @staticmethod
    def record(versions: str = "", training: str = "Trainer.train") -> str:
        return RECORD.format(versions=versions, training=training)

    def test_it_ends_the_training_with_one_line_that_names_the_known_ones(
        self, trainer: Sandbox
    ) -> None:
        done = trainer.run(self.record() + TRAIN, WAVELIT_CRITERION="wavlet")
        assert (done.returncode, done.stdout) == (1, "")
        logged, *_, last = done.stderr.splitlines()
        reason = "unknown criterion 'wavlet'; did you mean 'wavelet'? Known: wavelet, l1"
        assert logged == f"wavelit: mytrainer (mytrainer.training): not registered: {reason}"
        assert last == (
            f"wavelit_plugin.errors.ConfigError: WAVELIT_CRITERION=wavlet cannot be had: {reason}; "
            "unset it to train without"
        )

    def test_importing_the_host_alone_goes_on(self, trainer: Sandbox) -> None:
        code = "import torch, mytrainer.training as t; print(t.Trainer.train.__doc__)"
        done = trainer.run(self.record() + code, WAVELIT_CRITERION="wavlet")
        assert (done.returncode, done.stdout) == (0, "Theirs.\n")

    def test_another_version_of_the_host_ends_it_too(self, trainer: Sandbox) -> None:
        done = trainer.run(self.record(versions=">=2") + TRAIN, WAVELIT_CRITERION="wavelet")
        assert "cannot be had: mytrainer 1.0 is here and >=2 is supported" in done.stderr
        assert done.returncode == 1

    def test_a_host_without_that_function_is_only_told_of(self, trainer: Sandbox) -> None:
        code = self.record(training="Trainer.fit") + TRAIN
        done = trainer.run(code, WAVELIT_CRITERION="wavlet")
        assert (done.stdout, len(done.stderr.splitlines())) == ("3\n", 1)

    @pytest.mark.parametrize("given", [{}, {"WAVELIT_CRITERION": ""}])
    def test_without_one_the_training_is_the_hosts(
        self, trainer: Sandbox, given: dict[str, str]
    ) -> None:
        done = trainer.run(self.record() + TRAIN, **given)
        assert (done.stdout, done.stderr) == ("3\n", "")

    @pytest.mark.parametrize(
        "again",
        [
            "WATCH.stop()",
            # what the adapter needs has been mended since
            "import criterion_adapter as c; c.register = lambda module: None; WATCH.activate()",
        ],
        ids=["deactivated", "activated again"],
    )
    def test_the_way_back(self, trainer: Sandbox, again: str) -> None:
        code = f"{self.record()}import torch, mytrainer.training as t\n"
        # also where somebody has wrapped it in the meantime
        wrap = "ours = t.Trainer.train\nt.Trainer.train = lambda *given: ours(*given)\n"
        for between in ("", wrap):
            ask = f"{code}{between}{again}\nprint(t.Trainer().train(3))"
            done = trainer.run(ask, WAVELIT_CRITERION="wavlet")
            assert done.stdout == "3\n", done.stderr


def test_every_variable_that_is_read_is_a_switch() -> None:
    sources = (ROOT / "wavelit_plugin").rglob("*.py")
    named = {
        name
        for path in sources
        for name in re.findall(r"\bWAVELIT_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    tests = {"WAVELIT_CHECKOUTS", "WAVELIT_ENVIRONMENTS", "WAVELIT_REQUIRED_HOSTS"}
    assert named - tests == {name for name in SWITCHES if name.startswith("WAVELIT_")}


def test_the_table_of_the_readme_has_the_same_variables() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    section = text.partition("## Switches")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)", section, flags=re.MULTILINE)) == set(SWITCHES)


def test_built_in_hosts_that_can_be_asked_for_a_criterion_say_where_training_begins() -> None:
    training = {record.watched: record.training for record in hosts() if record.training}
    assert training == {
        "neuralop.training.trainer": "Trainer.train",
        "pdearena.models.pdemodel": "PDEModel.__init__",
        "pdearena.models.cond_pdemodel": "CondPDEModel.__init__",
        "the_well.benchmark.trainer.training": "Trainer.train",
    }
