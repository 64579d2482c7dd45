"""Checkpoints: what was saved comes back to the bit, and nothing is ever half written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig, checkpoint

Build = Callable[..., WaveLiT]


@pytest.fixture
def saved(build: Build, tmp_path: Path) -> Path:
    """The file of a small model."""
    path = tmp_path / "model.safetensors"
    build(ndim=1).save(path)
    return path


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loaded_model_is_the_saved_one_to_the_bit(
    dtype: torch.dtype, build: Build, tmp_path: Path, rng: torch.Generator
) -> None:
    layout = ChannelLayout(frames=2, fields=1, constants=1)
    knobs = {"layout": layout, "conditions": 1, "scales": 2, "boundary": ("periodic", "wall")}
    model = build(in_channels=3, **knobs).to(dtype)
    u = torch.randn(2, 3, 8, 8, dtype=dtype, generator=rng)
    condition = torch.ones(2, 1, dtype=dtype)
    model.train()(u[..., :4, :4], condition).sum().backward()  # so that the training grid is known
    model.save(tmp_path / "model.safetensors")
    loaded = WaveLiT.load(str(tmp_path / "model.safetensors"))
    assert not loaded.training
    assert loaded.config == model.config
    assert loaded.normalizer.frozen
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for name, value in loaded.state_dict().items():
        assert_close(value, model.state_dict()[name], rtol=0.0, atol=0.0)
    expected = model.eval()(u, condition)
    assert_close(loaded(u, condition), expected, rtol=0.0, atol=0.0)


def test_a_model_that_still_learns_its_statistics_goes_on_learning(tmp_path: Path) -> None:
    model = WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, ndim=1, width=4, heads=1)).train()
    u = torch.randn(3, 1, 8)
    model(u, target=-u).sum().backward()
    model.save(tmp_path / "young.safetensors")
    loaded = WaveLiT.load(tmp_path / "young.safetensors")
    assert not loaded.normalizer.frozen
    assert int(loaded.normalizer.inputs.samples) == 3


def test_the_file_holds_tensors_and_json_only(saved: Path) -> None:
    metadata = metadata_of(saved)
    assert metadata["wavelit_format"] == checkpoint.FORMAT
    assert json.loads(metadata["wavelit_config"])["width"] == 8
    assert "normalizer.input_scale" in load_file(saved)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no checkpoint .*gone\.safetensors"):
        WaveLiT.load(tmp_path / "gone.safetensors")
    with pytest.raises(DataError, match="there is no checkpoint"):
        WaveLiT.load(tmp_path)  # a folder


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.9, 0.9999])
def test_a_truncated_file_is_refused(part: float, saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match="is not a complete safetensors file"):
        WaveLiT.load(saved)


def test_a_file_of_another_kind_is_refused(saved: Path) -> None:
    saved.write_text("weights: none of your business")
    with pytest.raises(DataError, match="is not a complete safetensors file"):
        WaveLiT.load(saved)
    torch.save({"weight": torch.zeros(3)}, saved)
    with pytest.raises(DataError, match="is not a complete safetensors file"):
        WaveLiT.load(saved)


def test_safetensors_of_another_program_are_refused(saved: Path) -> None:
    for metadata in (None, {"format": "pt"}, {"wavelit_format": "2"}):
        save_file({"weight": torch.zeros(3)}, saved, metadata)
        with pytest.raises(DataError, match="without a WaveLiT configuration"):
            WaveLiT.load(saved)


def rewritten(path: Path, tensors: dict[str, Tensor] | None = None, **metadata: str) -> Path:
    save_file(load_file(path) if tensors is None else tensors, path, metadata_of(path) | metadata)
    return path


def test_another_version_of_the_format_is_refused(saved: Path) -> None:
    # version 2 had the same tensors with the queries' and keys' features in another order
    rewritten(saved, wavelit_format="2")
    with pytest.raises(ConfigError, match="has checkpoint format '2', this version reads '4'"):
        WaveLiT.load(saved)


def test_a_configuration_with_an_unknown_key_is_refused(saved: Path) -> None:
    config = json.loads(metadata_of(saved)["wavelit_config"]) | {"colour": "blue"}
    with pytest.raises(ConfigError, match="unknown WaveLiT option 'colour'"):
        WaveLiT.load(rewritten(saved, wavelit_config=json.dumps(config)))
    with pytest.raises(DataError, match="a configuration that is no JSON"):
        WaveLiT.load(rewritten(saved, wavelit_config="{"))


@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_tensors_that_do_not_belong_to_the_configuration_are_refused(
    fault: str, saved: Path
) -> None:
    tensors = load_file(saved)
    if fault == "missing":
        del tensors["head.gain"]
    elif fault == "unknown":
        tensors["head.colour"] = torch.zeros(1)
    else:
        tensors["head.gain"] = torch.zeros(5)
    name = "head.colour" if fault == "unknown" else "head.gain"
    with pytest.raises(DataError, match=rf"{name} \(1 in all\) are missing, unknown or of another"):
        WaveLiT.load(rewritten(saved, tensors))


def break_off(_tensors: object, path: Path, _metadata: object) -> None:
    """Write half a file and fail, as a full disk does."""
    Path(path).write_bytes(b"half a fi")
    raise OSError(28, "No space left on device")


def test_a_failed_save_keeps_the_old_file_and_leaves_no_other(
    saved: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    monkeypatch.setattr(checkpoint, "save_file", break_off)
    with pytest.raises(OSError, match="No space left"):
        build().save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_the_file_appears_under_its_name_only_when_it_is_complete(
    saved: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, target = saved.read_bytes(), saved

    def watched(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        save_file(tensors, path, metadata)
        assert Path(path).parent == target.parent  # renaming is atomic within a folder only
        assert target.read_bytes() == before

    monkeypatch.setattr(checkpoint, "save_file", watched)
    build(ndim=1, width=4, heads=1).save(saved)
    assert WaveLiT.load(saved).config.width == 4


def test_saving_into_a_missing_folder_is_refused(build: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*; make it first"):
        build().save(tmp_path / "gone" / "model.safetensors")
