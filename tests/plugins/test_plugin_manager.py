"""Plugins of third parties: what they may provide, and that a broken one hides no other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from wavelit_plugin.plugins import criteria, hosts, manager, models, operators
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import (
    CriterionRecord,
    GridTask,
    HostRecord,
    ModelRecord,
    OperatorRecord,
)

MODEL = ModelRecord(name="identity", build=lambda **_knobs: nn.Identity(), summary="none")
CRITERION = CriterionRecord(name="l1", build=nn.L1Loss, summary="absolute error")
HOST = HostRecord(host="mytrainer", watched="mytrainer.registry", adapter="mytrainer_adapter:go")

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Pretend that plugins are installed: one module each, with these hooks."""
    found: list[EntryPoint] = []

    def add(name: str, **hooks: Any) -> None:
        module = ModuleType(f"plugin_{name}")
        vars(module).update(hooks)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        found.append(EntryPoint(name, module.__name__, "wavelit"))

    monkeypatch.setattr(manager, "entry_points", lambda group: found if group == "wavelit" else [])
    manager.plugin_manager.cache_clear()
    yield add
    manager.plugin_manager.cache_clear()


def hook(name: str, *records: object) -> Any:
    """Return an implementation of the hook that returns the records."""

    def implementation() -> list[object]:
        return list(records)

    implementation.__name__ = name
    return hookimpl(implementation)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_plugin_provides_models_criteria_and_hosts(install: Install) -> None:
    install(
        "one",
        wavelit_models=hook("wavelit_models", MODEL),
        wavelit_criteria=hook("wavelit_criteria", CRITERION),
        wavelit_hosts=hook("wavelit_hosts", HOST),
    )
    assert MODEL in models()
    assert CRITERION in criteria()
    assert hosts() == (HOST,)


def test_ours_come_first_then_the_plugins_in_order(install: Install) -> None:
    ours = [record.name for record in models()]
    manager.plugin_manager.cache_clear()
    for name in ("one", "two"):
        record = ModelRecord(name=name, build=nn.Identity, summary="")
        install(name, wavelit_models=hook("wavelit_models", record))
    assert [record.name for record in models()] == [*ours, "one", "two"]


def broken() -> list[ModelRecord]:
    raise SystemExit("broken on purpose")


broken.__name__ = "wavelit_models"


def wrong_arguments(no_such_argument: int) -> list[ModelRecord]:
    return []


# hooks of a plugin that cannot be used, and what the log says
BROKEN = [
    ({"wavelit_models": hookimpl(broken)}, "SystemExit: broken on purpose"),
    ({"wavelit_models": hook("wavelit_models", "waveliT")}, "expected ModelRecord records"),
    ({"wavelit_models": hook("wavelit_models", CRITERION)}, "expected ModelRecord records"),
    ({"wavelit_model": hook("wavelit_model", MODEL)}, "unknown hook 'wavelit_model'"),
    ({"wavelit_models": hookimpl(wrong_arguments)}, "no_such_argument"),
]


@pytest.mark.parametrize(("hooks", "reason"), BROKEN)
def test_a_broken_plugin_is_logged_and_skipped(
    install: Install,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    hooks: dict[str, Any],
    reason: str,
) -> None:
    install("broken", **hooks)
    install("good", wavelit_models=hook("wavelit_models", MODEL))
    assert MODEL in models()
    assert "waveliT" in {record.name for record in models()}
    assert any(reason in line and "broken" in line for line in warnings_of(caplog))
    manager.plugin_manager.cache_clear()
    monkeypatch.setenv("WAVELIT_STRICT", "1")
    with pytest.raises(Exception, match=reason):
        models()


def test_a_plugin_that_cannot_be_imported_is_logged_and_skipped(
    install: Install, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [EntryPoint("gone", "no_such_plugin", "wavelit")]
    monkeypatch.setattr(
        manager, "entry_points", lambda group: missing if group == "wavelit" else []
    )
    assert "waveliT" in {record.name for record in models()}
    (line,) = warnings_of(caplog)
    assert "gone" in line
    assert "No module named 'no_such_plugin'" in line


def test_of_equal_names_the_first_stays(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    theirs = ModelRecord(name="waveliT", build=nn.Identity, summary="theirs")
    install("rival", wavelit_models=hook("wavelit_models", theirs))
    assert theirs not in models()
    (line,) = warnings_of(caplog)
    assert "'waveliT'" in line


def test_plugins_are_loaded_once(install: Install) -> None:
    install("one", wavelit_models=hook("wavelit_models", MODEL))
    assert manager.plugin_manager() is manager.plugin_manager()
    models()
    install("late", wavelit_criteria=hook("wavelit_criteria", CRITERION))
    assert CRITERION not in criteria()


OPERATOR = OperatorRecord(
    name="mine/identity",
    summary="",
    ecosystem="mine",
    build=lambda _task, _width: nn.Identity(),
)


def test_a_plugin_provides_operators(install: Install) -> None:
    install("one", wavelit_operators=hook("wavelit_operators", OPERATOR))
    assert operators()[-1] == OPERATOR


def test_a_plugins_model_is_an_operator_named_after_its_plugin(install: Install) -> None:
    install("one", wavelit_models=hook("wavelit_models", MODEL))
    (record,) = [record for record in operators() if record.name == MODEL.name]
    assert record.ecosystem == "one"
    task = GridTask(
        in_channels=2,
        out_channels=1,
        size=(8,),
        boundary=("open",),
        continues=True,
        fields=("u",),
    )
    assert isinstance(record.build(task, None), nn.Identity)
    assert list(record.widths(task)) == []


def test_a_model_is_built_for_the_channels_and_axes_of_the_task(install: Install) -> None:
    asked: list[dict[str, Any]] = []

    def build(**knobs: Any) -> nn.Module:
        asked.append(knobs)
        return nn.Identity()

    install(
        "one",
        wavelit_models=hook("wavelit_models", ModelRecord(name="m", build=build, summary="")),
    )
    task = GridTask(
        in_channels=3,
        out_channels=2,
        size=(8, 8),
        boundary=("open", "wall"),
        continues=True,
        fields=("u", "v"),
    )
    operators()[-1].build(task, None)
    assert asked == [{"in_channels": 3, "out_channels": 2, "ndim": 2}]


def test_an_operator_goes_before_a_model_of_its_name(install: Install) -> None:
    ours = ModelRecord(name=OPERATOR.name, build=nn.Identity, summary="")
    install(
        "one",
        wavelit_models=hook("wavelit_models", ours),
        wavelit_operators=hook("wavelit_operators", OPERATOR),
    )
    assert [record for record in operators() if record.name == OPERATOR.name] == [OPERATOR]


def test_a_broken_plugin_hides_no_operator(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("broken", wavelit_operators=hook("wavelit_operators", MODEL))
    install("good", wavelit_operators=hook("wavelit_operators", OPERATOR))
    assert {"waveliT", "persistence", OPERATOR.name} <= {record.name for record in operators()}
    (line,) = warnings_of(caplog)
    assert "expected OperatorRecord records" in line
