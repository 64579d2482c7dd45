"""The shipped configurations for The Well ask for what exists, with options that it has."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import yaml

from wavelit_plugin.cli.config import snippets
from wavelit_plugin.data import PROBLEMS
from wavelit_plugin.hosts.the_well.model import WaveLiTModel
from wavelit_plugin.hosts.the_well.writer import LAYOUTS
from wavelit_plugin.model import WaveLiTConfig
from wavelit_plugin.plugins import find_configs

ROOT = find_configs("the_well").folder
FILES = sorted(ROOT.rglob("*.yaml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_all_three_are_there() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    assert names == {
        "model/wavelit.yaml",
        "experiment/wavelit.yaml",
        "experiment/wavelit_loss.yaml",
    }


def test_the_model_has_every_option_that_its_file_has() -> None:
    given = read(ROOT / "model" / "wavelit.yaml")
    assert resolve_name(given.pop("_target_")) is WaveLiTModel
    assert given.pop("_convert_") == "all"
    own = set(inspect.signature(WaveLiTModel.__init__).parameters)
    knobs = set(WaveLiTConfig.__dataclass_fields__)
    assert set(given) <= own | knobs
    # what is null here can be set without Hydra's plus sign
    # what the host gives, or its data
    own = {"in_channels", "out_channels", "ndim", "layout", "conditions"}
    settable = {field.name for field in dataclasses.fields(WaveLiTConfig)} - own
    assert settable <= {name for name, value in given.items() if value is None}


def test_its_values_come_from_the_hosts_data() -> None:
    given = read(ROOT / "model" / "wavelit.yaml")
    assert given["n_steps_input"] == "${data.n_steps_input}"
    assert given["dataset"]["well_dataset_name"] == "${data.well_dataset_name}"


@pytest.mark.parametrize("name", ["wavelit", "wavelit_loss"])
def test_an_experiment_has_a_loss_that_takes_its_options(name: str) -> None:
    loss = read(ROOT / "experiment" / f"{name}.yaml")["trainer"]["loss_fn"]
    target = loss.pop("_target_")
    loss.pop("_convert_", None)
    module, _, kind = target.rpartition(".")
    if module.startswith("the_well"):
        assert loss == {}
        return
    getattr(import_module(module), kind)(**loss)


def test_every_split_of_an_experiment_is_looked_at_for_nan() -> None:
    given = read(ROOT / "experiment" / "wavelit.yaml")
    module, _, kind = given["samples"].pop("_target_").rpartition(".")
    assert getattr(import_module(module), kind)(**given["samples"]).on_nan == "error"
    # the host hands its transform to the training data only
    splits = [given["data"], *given["data"]["dataset_kws"].values()]
    assert [split["transform"] for split in splits] == ["${samples}"] * 5


def test_the_problem_of_the_comment_makes_the_data_of_the_comment() -> None:
    text = (ROOT / "experiment" / "wavelit.yaml").read_text(encoding="utf-8")
    (command,) = [line for line in text.splitlines() if "wavelit data make" in line]
    words = command.split("wavelit data make ")[1].split()
    problem, media = LAYOUTS["acoustic_scattering_maze"]
    assert words[0] == problem
    assert PROBLEMS[problem].name == problem
    assert media == ("maze",)
    assert words[words.index("--medium") + 1] == "maze"


def test_the_command_prints_them_for_another_model() -> None:
    shown = snippets("the_well", "waveliT-4M")
    files = (*FILES, *ROOT.glob("*.sh"))
    assert set(shown) == {path.relative_to(ROOT).as_posix() for path in files}
    assert yaml.safe_load(shown["model/wavelit.yaml"])["preset"] == "waveliT-4M"
    assert "WaveLiTModel" in shown["model/wavelit.yaml"]
