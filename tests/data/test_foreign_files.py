"""Files of our names with something else in them: data, or one of our errors; never another."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.data.readers import read_grid_data
from wavelit_plugin.errors import DataError, WavelitError
from wavelit_plugin.files import load_tensors

TRIALS = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data that evolve and data that are steady."""
    root = tmp_path_factory.mktemp("made")
    sizes = {"size": 16, "trajectories": 3, "test_trajectories": 1, "oversample": 1}
    make_dataset(DataRequest(out=root / "evolving", frames=4, **sizes))  # type: ignore[arg-type]
    make_dataset(DataRequest(out=root / "steady", problem="darcy", **sizes))  # type: ignore[arg-type]
    return root


def changed(content: Any, draw: random.Random, depth: int = 0) -> Any:
    """Return content with one thing in it left out or replaced."""
    if isinstance(content, dict) and content and (depth == 0 or draw.random() < 0.7):
        key, rest = draw.choice(list(content)), dict(content)
        if draw.random() < 0.2:
            del rest[key]
        else:
            rest[key] = changed(content[key], draw, depth + 1)
        return rest
    if isinstance(content, list | tuple) and content and draw.random() < 0.5:
        place = draw.randrange(len(content))
        return [*content[:place], another(content[place], draw), *content[place + 1 :]]
    return another(content, draw)


def another(value: Any, draw: random.Random) -> Any:
    """Return something else than a value."""
    plain = [None, 3, -1, 1.5, True, "x", "", [], [1], [None], {}, {"a": 1}, ["pressure"]]
    if not isinstance(value, Tensor):
        return draw.choice(plain)
    tensors = [value[:0], value[:1], value[:, :1], value[..., :1], value.flatten(), value[None]]
    tensors += [value.long(), value.half(), value.double(), value * float("nan"), value.to_sparse()]
    tensors += [value.to(torch.complex64), torch.zeros(())]
    return draw.choice([*tensors, *plain])


def refused(read: Callable[[Path], object], path: Path) -> str:
    """Return what our error says, if there is one."""
    try:
        read(path)
    except WavelitError as error:
        return str(error)
    return ""


def test_the_content_of_a_file_is_changed(made: Path, tmp_path: Path) -> None:
    draw, outcomes = random.Random(0), {"read": 0, "refused": 0}  # noqa: S311  (repeatable)
    for trial in range(TRIALS):
        folder = tmp_path / str(trial)
        shutil.copytree(made / draw.choice(("evolving", "steady")), folder)
        path = draw.choice(sorted(folder.iterdir()))
        if path.suffix == ".json":
            path.write_text(json.dumps(changed(json.loads(path.read_text()), draw)))
        else:
            torch.save(changed(torch.load(path), draw), path)
        refusal = refused(read_grid_data, folder)
        assert len(refusal.splitlines()) <= 1
        outcomes["refused" if refusal else "read"] += 1
        shutil.rmtree(folder)
    assert min(outcomes.values()) > TRIALS // 5, outcomes  # both were tried


def test_the_bytes_of_a_file_are_changed(made: Path, tmp_path: Path) -> None:
    draw, path = random.Random(0), tmp_path / "file.pt"  # noqa: S311
    content = (made / "steady" / "darcy_test_16.pt").read_bytes()
    for _ in range(TRIALS):
        part = bytearray(content[: draw.choice((len(content), draw.randrange(len(content))))])
        for _ in range(draw.randrange(6)):
            part[draw.randrange(len(part))] = draw.randrange(256)
        path.write_bytes(part)
        refusal = refused(partial(load_tensors, advice="copy it again"), path)
        assert not refusal or refusal.endswith("copy it again")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"{}", b"\x80\x02.", b"I1\n.", b"cos\n"])
def test_bytes_that_are_no_tensors(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pt").write_bytes(content)
    with pytest.raises(DataError, match="copy it again"):
        load_tensors(tmp_path / "file.pt", advice="copy it again")


def test_complex_numbers_are_refused(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "steady", tmp_path / "data")
    path = tmp_path / "data" / "darcy_train_16.pt"
    torch.save({key: part.to(torch.complex64) for key, part in torch.load(path).items()}, path)
    with pytest.raises(DataError, match="complex numbers; give their parts as two channels"):
        read_grid_data(tmp_path / "data")
