"""The shipped configurations for PDEArena ask for what is registered with it, and are printed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from wavelit_plugin.cli import main
from wavelit_plugin.cli.config import snippets
from wavelit_plugin.data import PROBLEMS
from wavelit_plugin.hosts.pdearena.model import parameter_count, register_models
from wavelit_plugin.hosts.pdearena.training import find_criterion
from wavelit_plugin.plugins import find_configs

FILES = sorted(find_configs("pdearena").folder.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_configuration_asks_for_names_that_exist(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    module = SimpleNamespace(MODEL_REGISTRY={}, COND_MODEL_REGISTRY={})
    list(register_models(module))  # type: ignore[arg-type]
    model = config["model"]
    conditioned = "param_conditioning" in model
    assert model["name"] in (module.COND_MODEL_REGISTRY if conditioned else module.MODEL_REGISTRY)
    find_criterion(model["criterion"])
    assert parameter_count(model.get("param_conditioning")) in {0, 1, 3}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_trajectories_are_those_that_its_command_makes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    (command,) = [line for line in text.splitlines() if "wavelit data make" in line]
    problem = PROBLEMS[command.split("wavelit data make ")[1].split()[0]]
    frames, data = problem.frames, config["data"]
    read = {  # what the pipe of the task skips
        "ShallowWater2DVel-2Day": len(range(4, frames, 8)),
        "KuramotoSivashinsky1D": len(range(0, frames, 4)),
    }
    assert data["pde"]["trajlen"] == read.get(data["task"], frames)
    assert data["pde"]["n_scalar_components"] == len(problem.scalars)
    assert data["pde"]["n_vector_components"] == len(problem.vectors)
    assert data["pde"]["n_spatial_dim"] == problem.ndim


def test_the_command_prints_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "pdearena", "--model", "waveliT-4M"]) == 0
    shown = capsys.readouterr().out
    assert len(FILES) == 5
    for path in FILES:
        assert f"# ---- {path.name}\n" in shown
    changed = snippets("pdearena", "waveliT-4M")
    assert yaml.safe_load(changed["navierstokes2d.yaml"])["model"]["name"] == "waveliT-4M"
    # of the 3-D model there is one size
    assert yaml.safe_load(changed["maxwell3d.yaml"])["model"]["name"] == "waveliT-Maxwell3D"
