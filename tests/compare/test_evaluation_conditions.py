"""Models that are conditioned on numbers of the trajectory: they are given those of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.cli import main
from wavelit_plugin.compare.evaluation.checkpoints import load_model
from wavelit_plugin.compare.evaluation.evaluation import evaluate_model
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.compare.evaluation.summary import find
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.data.readers import GridData, read_grid_data
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.rollout import rollout

FRAMES = 5
KNOBS: dict[str, Any] = {
    "width": 8,
    "heads": 1,
    "depth": 1,
    "levels": 1,
    "features": 4,
    "residual": "on",
}
FLOW = ChannelLayout(fields=3)
STAIRCASE = ChannelLayout(frames=2, fields=2, constants=1)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Return the folder of a problem's data for a host, with two test trajectories."""
    known: dict[tuple[str, str], Path] = {}

    def make(problem: str, host: str) -> Path:
        if (problem, host) not in known:
            folder = tmp_path_factory.mktemp(f"{problem}-{host}") / "data"
            sizes: dict[str, Any] = {"size": 16, "frames": FRAMES, "oversample": 1}
            counts: dict[str, Any] = {"trajectories": 3, "test_trajectories": 2}
            make_dataset(DataRequest(out=folder, problem=problem, host=host, **sizes, **counts))
            known[problem, host] = folder
        return known[problem, host]

    return make


def model(layout: ChannelLayout, conditions: int) -> WaveLiT:
    """Return a small model that heeds its conditions."""
    channels: dict[str, Any] = {
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels,
    }
    made = WaveLiT(WaveLiTConfig(layout=layout, conditions=conditions, **channels, **KNOBS))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made.eval()


def asked(checkpoint: Path, data: Path) -> EvaluationRequest:
    return EvaluationRequest(checkpoint=checkpoint, data=data, out=checkpoint.parent / "out")


def start(data: GridData, frames: int) -> tuple[Tensor, Tensor]:
    """The first frames of the test trajectories with all constants, and their numbers."""
    assert data.trajectories is not None
    fields, constants, _ = data.trajectories
    numbers = constants[:, len(data.constants) - len(data.parameters) :, 0, 0]
    assert float(numbers.std()) > 0
    return torch.cat([fields[:, :frames].flatten(1, 2), constants], dim=1), numbers


def lightning(path: Path, made: WaveLiT, **facts: Any) -> Path:
    """Write what Lightning does for PDEArena's CondPDEModel, which tells no frames."""
    known = {"name": "waveliT", "param_conditioning": "scalar", "max_num_steps": 5, **facts}
    known["model"] = {"init_args": KNOBS}
    state = {f"model.core.{name}": value for name, value in made.state_dict().items()}
    torch.save({"state_dict": state, "hyper_parameters": known}, path)
    return path


@pytest.mark.parametrize(
    ("problem", "host", "layout"),
    [
        ("buoyant-flow", "neuraloperator", FLOW),
        ("helmholtz", "neuraloperator", STAIRCASE),
        ("helmholtz", "the_well", STAIRCASE),
    ],
)
def test_a_model_is_given_the_numbers_of_each_trajectory(
    tmp_path: Path, made: Callable[[str, str], Path], problem: str, host: str, layout: ChannelLayout
) -> None:
    if host == "the_well":
        pytest.importorskip("h5py")
    core = model(layout, conditions=1)
    core.save(tmp_path / "m.safetensors")
    folder = made(problem, host)
    data = read_grid_data(folder)
    found = load_model(asked(tmp_path / "m.safetensors", folder), data)
    u, numbers = start(data, layout.frames)
    expected = core(u[:, : layout.in_channels], numbers)
    assert_close(found.step(u), expected, rtol=0.0, atol=0.0)
    # they matter
    other = core(u[:, : layout.in_channels], numbers + 1)
    assert float((expected - other).detach().abs().max()) > 1e-3


@pytest.mark.parametrize("param_conditioning", ["scalar", None])
def test_pdearenas_model_is_given_one_frame_as_the_time_step(
    tmp_path: Path, made: Callable[[str, str], Path], param_conditioning: str | None
) -> None:
    folder = made("buoyant-flow", "neuraloperator")
    data = read_grid_data(folder)
    core = model(FLOW, conditions=1 if param_conditioning is None else 2)
    path = lightning(tmp_path / "last.ckpt", core, param_conditioning=param_conditioning)
    found = load_model(asked(path, folder), data)
    assert (found.format, found.frames) == ("pdearena", 1)
    u, numbers = start(data, 1)
    rows = torch.cat([torch.ones(len(u), 1), numbers], dim=1)[:, : core.config.conditions]
    assert_close(found.step(u), core(u[:, :3], rows), rtol=0.0, atol=0.0)


def test_a_conditioned_model_is_rolled_out(
    tmp_path: Path, made: Callable[[str, str], Path]
) -> None:
    core = model(FLOW, conditions=2)
    path = lightning(tmp_path / "last.ckpt", core)
    folder = made("buoyant-flow", "neuraloperator")
    table = evaluate_model(asked(path, folder), lambda *_: None).rows
    test = read_grid_data(folder).trajectories
    assert test is not None
    rows = torch.cat([torch.ones(2, 1), test.constants[:, 0, :1, 0]], dim=1)
    rolled = rollout(lambda u: core(u, rows), test.fields[:, :1], steps=FRAMES - 1)
    error = float(vrmse(rolled.flatten(0, 1), test.fields[:, 1:].flatten(0, 1)).mean())
    # one trajectory at a time there, both at once here
    assert_close(find(table, "model", "1:4").mean, error, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize(
    ("problem", "conditions", "told"),
    [
        ("acoustics", 1, r"on 1 numbers a trajectory, and acoustics_16 has 0 .*\(none\); use data"),
        ("buoyant-flow", 2, r"on 2 numbers a trajectory, and buoyant-flow_16 has 1 .*\(buo_y\)"),
    ],
)
def test_data_without_the_numbers_are_refused(
    tmp_path: Path,
    made: Callable[[str, str], Path],
    capsys: pytest.CaptureFixture[str],
    problem: str,
    conditions: int,
    told: str,
) -> None:
    model(FLOW, conditions=conditions).save(tmp_path / "m.safetensors")
    request = asked(tmp_path / "m.safetensors", made(problem, "neuraloperator"))
    with pytest.raises(ConfigError, match=told):
        evaluate_model(request, lambda *_: None)
    assert main(["evaluate", str(request.checkpoint), "--data", str(request.data)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wavelit: error: ")
    assert not request.out.exists()


def test_numbers_are_conditions_or_channels_and_not_both(
    tmp_path: Path, made: Callable[[str, str], Path]
) -> None:
    """A model of one constant takes the mask alone if it is conditioned, else one is missing."""
    folder = made("helmholtz", "neuraloperator")
    data = read_grid_data(folder)
    path = tmp_path / "m.safetensors"
    model(replace(STAIRCASE, constants=2), conditions=0).save(path)
    u, _ = start(data, 2)
    assert load_model(asked(path, folder), data).step(u).shape == (2, 2, 16, 16)
    model(STAIRCASE, conditions=0).save(path)
    with pytest.raises(ConfigError, match=r"1 constants.* has 2 constants \(mask, omega\)"):
        load_model(asked(path, folder), data)
    model(replace(STAIRCASE, constants=2), conditions=1).save(path)
    with pytest.raises(ConfigError, match=r"2 constants.* has 1 constants \(mask\)"):
        load_model(asked(path, folder), data)
