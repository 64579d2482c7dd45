"""Checkpoints: what was saved comes back to the bit, and nothing is ever half written."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import ChannelLayout, JointWaveLiT, WaveLiT, WaveLiTConfig, checkpoint
from wavelit_plugin.model.members import Member

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
    knobs = {
        "layout": layout,
        "conditions": 1,
        "pyramid_scales": 2,
        "boundary": ("periodic", "wall"),
    }
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
    with pytest.raises(DataError, match="is a folder, not a checkpoint"):
        WaveLiT.load(tmp_path)


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
    with pytest.raises(ConfigError, match="has checkpoint format '2', this version reads '5'"):
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


@pytest.mark.parametrize("kind", ["configuration", "number"])
def test_a_configuration_of_another_kind_is_refused(kind: str, saved: Path) -> None:
    """Whole files whose JSON is something else."""
    content = {"configuration": [1, 2], "number": 5}[kind]
    with pytest.raises(DataError, match="holds a configuration without names"):
        WaveLiT.load(rewritten(saved, wavelit_config=json.dumps(content)))


def test_whole_numbers_are_no_weights(saved: Path) -> None:
    tensors = {name: tensor.long() for name, tensor in load_file(saved).items()}
    with pytest.raises(DataError, match="missing, unknown or of another shape or kind"):
        WaveLiT.load(rewritten(saved, tensors))


Door = Callable[[Path], object]


@pytest.fixture(params=["WaveLiT", "JointWaveLiT"])
def doors(request: pytest.FixtureRequest, build: Build) -> tuple[Door, Door]:
    """Save and load of each kind of model."""
    if request.param == "WaveLiT":
        return build(ndim=1).save, WaveLiT.load
    layout = ChannelLayout(fields=1, names=("height",))
    config = WaveLiTConfig(in_channels=1, out_channels=1, ndim=1, width=4, heads=1, layout=layout)
    return JointWaveLiT({"sea": Member(config=config)}).save, JointWaveLiT.load


class TestPaths:
    """Every wrong path, and every refusal of the disk, is a DataError in one line."""

    @staticmethod
    def refusal(door: Door, path: Path) -> str:
        with pytest.raises(DataError) as error:
            door(path)
        (line,) = str(error.value).splitlines()
        return line

    def test_saving(self, doors: tuple[Door, Door], tmp_path: Path) -> None:
        save, _ = doors
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        below = self.refusal(save, tmp_path / "file" / "model")
        assert below == f"there is no folder {tmp_path}/file to save model in; make it first"
        assert self.refusal(save, tmp_path / "gone" / "model").startswith("there is no folder")
        assert "is a folder; give the name" in self.refusal(save, tmp_path / "folder")
        assert "use a shorter name" in self.refusal(save, tmp_path / ("m" * 300))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]

    def test_loading(self, doors: tuple[Door, Door], tmp_path: Path) -> None:
        _, load = doors
        (tmp_path / "file").write_bytes(b"x")
        assert "there is no checkpoint" in self.refusal(load, tmp_path / "file" / "model")
        assert "there is no checkpoint" in self.refusal(load, tmp_path / "gone")
        assert "is a folder, not a checkpoint" in self.refusal(load, tmp_path)
        assert "use a shorter name" in self.refusal(load, tmp_path / ("m" * 300))
        assert "is not a complete safetensors file" in self.refusal(load, tmp_path / "file")
        assert "there is no checkpoint" in self.refusal(load, Path("/dev/null"))

    @pytest.mark.parametrize(
        ("number", "told"),
        [
            (errno.ENOSPC, "No space left on device; free some room, or use another disk"),
            (errno.EACCES, "Permission denied; use a place that you may read and write"),
            (errno.EROFS, "Read-only file system; use a place that can be written"),
            (errno.EIO, "Input/output error; use another place"),
        ],
    )
    def test_a_refusal_of_the_disk_loses_nothing(
        self,
        doors: tuple[Door, Door],
        number: int,
        told: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        save, load = doors
        path = tmp_path / "model"
        save(path)
        before, write = path.read_bytes(), Path.write_bytes

        def half(self: Path, data: bytes) -> int:
            write(self, data[: len(data) // 2])
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", half)
            assert self.refusal(save, path) == f"cannot use {path}: {told}"
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == before

        def refused(_: Path) -> bytes:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "read_bytes", refused)
        assert self.refusal(load, path) == f"cannot use {path}: {told}"

    def test_a_name_that_is_no_text(self, doors: tuple[Door, Door], tmp_path: Path) -> None:
        save, load = doors
        path = tmp_path / os.fsdecode(b"caf\xe9")
        save(path)
        assert load(path) is not None

    def test_a_model_without_numbers_is_not_saved(self, tmp_path: Path) -> None:
        with torch.device("meta"):
            model = WaveLiT(WaveLiTConfig(in_channels=1, out_channels=1, ndim=1, width=4, heads=1))
        told = self.refusal(model.save, tmp_path / "model")
        assert told.startswith("a model on the meta device has no numbers to save")
        assert list(tmp_path.iterdir()) == []


def test_saving_into_a_missing_folder_is_refused(build: Build, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*; make it first"):
        build().save(tmp_path / "gone" / "model.safetensors")
