"""Checkpoints of the hosts, and of any module: the same weights have the same errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare.evaluation.checkpoints import in_physical_units, load_model
from wavelit_plugin.compare.evaluation.request import EvaluationRequest
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.hosts.the_well import checkpoint as the_well
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

KNOBS: dict[str, Any] = {"width": 8, "heads": 1, "depth": 1, "levels": 1, "features": 4}
TWO = ChannelLayout(frames=2, fields=3, constants=2)
BUILD = """
from torch import nn

from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig


def two_frames(task):
    frames = (task.in_channels - 2) // task.out_channels
    layout = ChannelLayout(frames=frames, fields=task.out_channels, constants=2)
    sizes = {"in_channels": task.in_channels, "out_channels": task.out_channels}
    known = {"width": 8, "heads": 1, "depth": 1, "features": 4}
    return WaveLiT(WaveLiTConfig(**sizes, layout=layout, **known))


def nothing(task):
    return None
"""


def model(layout: ChannelLayout = TWO, **knobs: Any) -> WaveLiT:
    channels: dict[str, Any] = {
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels,
    }
    made = WaveLiT(WaveLiTConfig(**channels, layout=layout, **(KNOBS | knobs)))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.05)
    return made.eval()


def prefixed(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


def asked(checkpoint: Path, waves: Path, **more: Any) -> EvaluationRequest:
    return EvaluationRequest(checkpoint=checkpoint, data=waves, out=checkpoint.parent / "o", **more)


def history(data: GridData, frames: int) -> Tensor:
    """The first frames of the test trajectories, and the constants."""
    assert data.trajectories is not None
    start = data.trajectories.fields[:, :frames].flatten(1, 2)
    return torch.cat([start, data.trajectories.constants], dim=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What neuraloperator's ``save_checkpoint`` leaves."""
    layout = {"frames": 2, "fields": 3, "constants": 2}
    options = {"in_channels": 8, "out_channels": 3, "layout": layout, **KNOBS}
    facts = {**options, "_name": "waveliT", "_version": "0.1.0", "args": (), "n_modes": [4, 4]}
    torch.save(facts, tmp_path / "best_model_metadata.pkl")
    state = {**prefixed(model(), "core."), "_metadata": facts}
    torch.save(state, tmp_path / "best_model_state_dict.pt")
    return tmp_path


def test_neuraloperator_folder_and_file(folder: Path, waves: Path, wave_data: GridData) -> None:
    found = load_model(asked(folder, waves), wave_data)
    assert (found.format, found.frames) == ("neuraloperator", 2)
    expected = model()
    state = torch.load(folder / "best_model_state_dict.pt", weights_only=True)
    core = {k.removeprefix("core."): v for k, v in state.items() if k.startswith("core.")}
    expected.load_state_dict(core)
    u = history(wave_data, 2)
    assert_close(found.step(u), expected(u), rtol=0.0, atol=0.0)
    file = load_model(asked(folder / "best_model_state_dict.pt", waves), wave_data)
    assert_close(file.step(u), expected(u), rtol=0.0, atol=0.0)


@pytest.mark.host
def test_what_neuraloperator_itself_writes(
    tmp_path: Path, waves: Path, wave_data: GridData
) -> None:
    pytest.importorskip("neuralop")
    from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator

    layout = {"fields": 3, "constants": 2}
    made = WaveLiTOperator(5, 3, layout=layout, **KNOBS).eval()
    made.save_checkpoint(tmp_path, "model")
    found = load_model(asked(tmp_path, waves), wave_data)
    u = history(wave_data, 1)
    assert_close(found.step(u), made(u), rtol=0.0, atol=0.0)


def test_neuraloperator_without_a_description_or_with_another_model(
    folder: Path, waves: Path, wave_data: GridData
) -> None:
    described = folder / "best_model_metadata.pkl"
    torch.save({"_name": "FNO", "n_modes": (4, 4)}, described)
    with pytest.raises(ConfigError, match=r"describes FNO, and only waveliT.*--build"):
        load_model(asked(folder, waves), wave_data)
    described.unlink()
    with pytest.raises(DataError, match=r"without best_model_metadata\.pkl beside it"):
        load_model(asked(folder, waves), wave_data)
    (folder / "other_state_dict.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"several checkpoints \(best_model_state_dict\.pt, oth"):
        load_model(asked(folder, waves), wave_data)


def lightning(path: Path, made: WaveLiT, **facts: Any) -> Path:
    """Write what Lightning does for PDEArena's PDEModel."""
    known = {"name": "waveliT", "time_history": 2, "time_future": 1, "model": None, **facts}
    state = {**prefixed(made, "model.core."), "criterion.weight": torch.zeros(1)}
    torch.save({"state_dict": state, "hyper_parameters": known, "epoch": 3}, path)
    return path


@pytest.mark.parametrize("future", [1, 2])
def test_pdearena_takes_the_fields_alone(
    tmp_path: Path, waves: Path, wave_data: GridData, future: int
) -> None:
    layout = replace(TWO, constants=0, frames_out=future)
    made = model(layout, residual="on")
    path = tmp_path / "last.ckpt"
    init = {"preset": "waveliT", "n_input_scalar_components": 1, **KNOBS}
    lightning(path, made, time_future=future, model={"init_args": init})
    found = load_model(asked(path, waves), wave_data)
    assert (found.format, found.frames) == ("pdearena", 2)
    u = history(wave_data, 2)
    assert_close(found.step(u), made(u[:, :6]), rtol=0.0, atol=0.0)


def test_pdearena_registry_name_is_the_preset_and_the_boundary(
    tmp_path: Path, waves: Path, wave_data: GridData
) -> None:
    layout = replace(TWO, constants=0)
    sizes = {"in_channels": 6, "out_channels": 3, "ndim": 2}
    known = {"layout": layout, "residual": "on", "boundary": "periodic"}
    made = WaveLiT(WaveLiTConfig.preset("waveliT", **sizes, **known)).eval()  # type: ignore[arg-type]
    path = lightning(tmp_path / "last.ckpt", made, name="waveliT-periodic")
    u = history(wave_data, 2)
    found = load_model(asked(path, waves), wave_data)
    assert_close(found.step(u), made(u[:, :6]), rtol=0.0, atol=0.0)


def test_pdearena_refusals(tmp_path: Path, waves: Path, wave_data: GridData) -> None:
    path = tmp_path / "last.ckpt"
    layout = replace(TWO, constants=0)
    lightning(path, model(layout), name="Unetmod-64")
    with pytest.raises(ConfigError, match=r"holds PDEArena's Unetmod-64.*--build"):
        load_model(asked(path, waves), wave_data)
    lightning(path, model(layout, conditions=2, residual="on"))
    with pytest.raises(ConfigError, match=r"conditioned on 1 numbers a trajectory.*has 0"):
        load_model(asked(path, waves), wave_data)
    lightning(path, model(replace(layout, fields=2), residual="on"))
    with pytest.raises(DataError, match=r"trained on 2 fields without names"):
        load_model(asked(path, waves), wave_data)
    torch.save({"epoch": 3}, path)
    with pytest.raises(DataError, match=r"lacks hyper_parameters or state_dict"):
        load_model(asked(path, waves), wave_data)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the command is started, with a module ``mine``."""
    (tmp_path / "mine_to_build.py").write_text(BUILD, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("place", [None, "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_any_module_is_built_and_filled(
    here: Path, waves: Path, wave_data: GridData, place: str | None, prefix: str
) -> None:
    made = model()
    state: dict[str, Any] = prefixed(made, prefix)
    torch.save(state if place is None else {place: state, "epoch": 3}, here / "best.pt")
    request = asked(here / "best.pt", waves, build="mine_to_build:two_frames", frames=2)
    found = load_model(request, wave_data)
    u = history(wave_data, 2)
    assert_close(found.step(u), made(u), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("build", "error", "told"),
    [
        ("two_frames", ConfigError, "must be MODULE:FUNCTION"),
        ("no_such_module_here:two_frames", ConfigError, "there is no module 'no_such_module_here'"),
        ("mine_to_build:three_frames", ConfigError, "has no function 'three_frames'"),
        ("mine_to_build:nothing", ConfigError, "must return an nn.Module, got NoneType"),
        ("mine_to_build:two_frames", DataError, "does not hold the weights of the module"),
    ],
)
def test_what_cannot_be_built_is_refused(
    here: Path, waves: Path, wave_data: GridData, build: str, error: type[Exception], told: str
) -> None:
    torch.save({"weight": torch.zeros(1)}, here / "best.pt")
    with pytest.raises(error, match=told):
        load_model(asked(here / "best.pt", waves, build=build), wave_data)


def test_a_file_that_would_run_code_is_refused(
    here: Path, waves: Path, wave_data: GridData
) -> None:
    torch.save({"state_dict": Path("/")}, here / "best.pt")
    request = asked(here / "best.pt", waves, build="mine_to_build:two_frames", frames=2)
    with pytest.raises(DataError, match="cannot be read without running code"):
        load_model(request, wave_data)
    with pytest.raises(DataError, match=r"no checkpoint that can be read by itself.*--build"):
        load_model(replace(request, build=None), wave_data)


def test_a_model_of_normalised_data_is_given_normalised_data(
    tmp_path: Path, waves: Path, wave_data: GridData
) -> None:
    """A model without weights of its own predicts the mean of the targets it was shown."""
    made = model(residual="off")
    for parameter in made.parameters():
        nn.init.zeros_(parameter)
    made.save(tmp_path / "m.safetensors")
    request = asked(tmp_path / "m.safetensors", waves, normalised=True)
    answer = load_model(request, wave_data).step(history(wave_data, 2))
    targets = torch.cat([wave_data.train.y, wave_data.valid.y])
    mean = targets.mean(dim=(0, 2, 3)).view(1, 3, 1, 1).expand_as(answer)
    # the mean of a velocity is small against its deviation, about 1
    assert_close(answer, mean, rtol=0.0, atol=1e-6)


def test_every_frame_and_constant_is_normalised_by_its_own_channel(wave_data: GridData) -> None:
    fields = len(wave_data.fields)
    step = in_physical_units(lambda u: 2 * u[:, fields : 2 * fields] + u[:, -1:], wave_data,
                             frames=2, device="cpu")  # fmt: skip
    x, y = (torch.cat(pair) for pair in zip(wave_data.train, wave_data.valid, strict=True))
    mean, std = ([part(u, dim=(0, 2, 3)).view(1, -1, 1, 1) for u in (x, y)]
                 for part in (torch.mean, torch.std))  # fmt: skip
    u = history(wave_data, 2)
    last, speed = u[:, fields : 2 * fields], u[:, -1:]
    wanted = 2 * (last - mean[0][:, :fields]) / std[0][:, :fields]
    wanted = (wanted + (speed - mean[0][:, -1:]) / std[0][:, -1:]) * std[1] + mean[1]
    assert_close(step(u), wanted, rtol=1e-5, atol=1e-5)


def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: WaveLiT, **loaded: Any) -> Path:
    """Write what The Well's trainer leaves; its YAML is read as JSON, which needs no package."""
    facts = {
        "model": {"_target_": "wavelit_plugin.hosts.the_well.WaveLiTModel", "boundary": None,
                  "preset": "waveliT", "dataset": None, **KNOBS},
        "data": {"n_steps_input": 2, "use_normalization": True, **loaded},
    }  # fmt: skip
    (tmp_path / "extended_config.yaml").write_text(json.dumps(facts), encoding="utf-8")
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    path = tmp_path / "checkpoints" / "best.pt"
    torch.save({"epoch": 1, "model_state_dict": prefixed(made, "module.core.")}, path)
    monkeypatch.setattr(the_well, "_read_yaml", lambda p: json.loads(p.read_text(encoding="utf-8")))
    return path


def test_the_well_normalises_by_the_statistics_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waves: Path, wave_data: GridData
) -> None:
    made = model(residual="on")
    path = well(tmp_path, monkeypatch, made)
    request = replace(asked(path, tmp_path), data=tmp_path)
    with pytest.raises(DataError, match=r"trained on normalised data, and there is no stats\.yaml"):
        load_model(request, wave_data)
    mean = {"pressure": 0.5, "velocity": [0.1, 0.2], "density": 1.0, "speed": 2.0}
    std = {"pressure": 2.0, "velocity": [3.0, 4.0], "density": 5.0, "speed": 1e-9}
    text = json.dumps({"mean": mean, "std": std})
    (tmp_path / "stats.yaml").write_text(text, encoding="utf-8")
    found = load_model(request, wave_data)
    assert (found.format, found.frames) == ("the_well", 2)
    u = history(wave_data, 2)
    m, s = (torch.tensor(values).view(1, -1, 1, 1) for values in (
        [0.5, 0.1, 0.2, 0.5, 0.1, 0.2, 1.0, 2.0], [2.0, 3.0, 4.0, 2.0, 3.0, 4.0, 5.0, 1e-4]
    ))  # fmt: skip
    assert_close(found.step(u), made((u - m) / s) * s[:, :3] + m[:, :3], rtol=0.0, atol=0.0)
    (tmp_path / "stats.yaml").write_text('{"mean": {"pressure": 1.0}}', encoding="utf-8")
    with pytest.raises(DataError, match=r"has no statistics of velocity_x"):
        load_model(request, wave_data)


def test_the_well_without_normalisation_and_its_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waves: Path, wave_data: GridData
) -> None:
    made = model(residual="on")
    path = well(tmp_path, monkeypatch, made, use_normalization=False)
    u = history(wave_data, 2)
    # a scalar that differs between trajectories is no input there
    more = replace(wave_data, constants=(*wave_data.constants, "viscosity"))
    found = load_model(asked(path, waves), more)
    assert_close(found.step(torch.cat([u, u[:, :1]], dim=1)), made(u), rtol=0.0, atol=0.0)
    for loaded, told in (
        ({"train_dataset": {"_target_": "x.DeltaWellDataset"}}, "predicts normalised changes"),
        ({"normalization_type": {"_target_": "x.RMSNormalization"}}, "trained with RMSNormaliz"),
        ({"n_steps_input": 1}, "takes 1 frame of 3 fields and 5 constants"),
    ):
        well(tmp_path, monkeypatch, made, **loaded)
        with pytest.raises(ConfigError, match=told):
            load_model(asked(path, waves), wave_data)


def test_the_configuration_of_the_well_is_resolved(tmp_path: Path) -> None:
    pytest.importorskip("omegaconf")
    path = tmp_path / "extended_config.yaml"
    text = (
        "model:\n  n_steps_input: ${data.n_steps_input}\ndata:\n  n_steps_input: 4\nother: ${gone}"
    )
    path.write_text(text, encoding="utf-8")
    assert the_well._read_yaml(path)["model"] == {"n_steps_input": 4}
    path.write_text("model: {", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        the_well._read_yaml(path)
