"""The Well's own data sets and checks read what ``wavelit data make`` wrote."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.testing import assert_close

from integration_tests.the_well.conftest import COUNTS, DATA, FRAMES, Data, asked
from wavelit_plugin.data import PROBLEMS, Trajectories, simulate_dataset
from wavelit_plugin.hosts.the_well.model import read_facts

# the host warns about its own options, and PyTorch of a machine without an accelerator
pytestmark = pytest.mark.filterwarnings("ignore")

Check = Callable[[str], dict[str, Any]]


@cache
def simulated(name: str, split: str) -> Trajectories:
    given = asked(name)
    given.pop("test_trajectories")
    given["trajectories"] = COUNTS[split]
    return simulate_dataset(split=split, **given)


def well_name(path: Path, name: str) -> str:
    return name if (path / name).is_dir() else "dummy"


def files(path: Path, name: str) -> list[Path]:
    return sorted((path / well_name(path, name)).glob("data/*/*.hdf5"))


def module(path: Path, name: str, **options: Any) -> Any:
    from the_well.data import WellDataModule

    given = {"batch_size": 2, "n_steps_input": 2, "data_workers": 0, **options}
    return WellDataModule(str(path), well_name(path, name), **given)


def channels(frames: Tensor) -> Tensor:
    """Return (..., channel, *space) with the channels last, as the host has them."""
    return frames.movedim(1, -1)


@pytest.mark.parametrize("name", DATA)
def test_samples_are_windows_of_what_was_simulated(data: Data, name: str) -> None:
    held = module(data(name), name)
    for split in COUNTS:
        dataset = getattr(held, f"{split.replace('valid', 'val')}_dataset")
        truth = simulated(name, split)
        windows = FRAMES - 2
        assert len(dataset) == COUNTS[split] * windows
        for index in (0, 1, len(dataset) - 1):
            trajectory, start = divmod(index, windows)
            sample = dataset[index]
            frames = truth.fields[trajectory, start : start + 3]
            assert_close(sample["input_fields"], channels(frames[:2]), rtol=0.0, atol=0.0)
            assert_close(sample["output_fields"], channels(frames[2:]), rtol=0.0, atol=0.0)
            constants = truth.constants[trajectory]
            if len(constants):
                assert_close(sample["constant_fields"], constants.movedim(0, -1))
            if truth.parameters.shape[1]:
                assert_close(sample["constant_scalars"], truth.parameters[trajectory])


@pytest.mark.parametrize("name", DATA)
def test_the_metadata_name_fields_and_boundary(data: Data, name: str) -> None:
    metadata = module(data(name), name).train_dataset.metadata
    given = asked(name)
    problem = PROBLEMS[given["problem"]]
    boundary = given.get("boundary", problem.boundaries[0])
    assert metadata.dataset_name == problem.name
    assert metadata.spatial_resolution == (given["size"],) * problem.ndim
    assert metadata.boundary_condition_types == [boundary.upper()]
    assert metadata.constant_scalar_names == list(problem.parameters)
    facts = read_facts(
        {"well_base_path": str(data(name)), "well_dataset_name": well_name(data(name), name)}
    )
    assert facts.fields == problem.fields
    assert facts.constants == problem.constants
    assert facts.boundary == (boundary,) * problem.ndim
    vectors = [tuple(problem.fields.index(part) for part in group) for group in problem.vectors]
    assert facts.vectors == tuple(vectors)


@pytest.mark.parametrize("name", DATA)
def test_roll_outs_are_whole_trajectories(data: Data, name: str) -> None:
    held = module(data(name), name)
    batches = list(held.rollout_test_dataloader())
    fields = torch.cat([torch.cat([b["input_fields"], b["output_fields"]], 1) for b in batches])
    assert_close(fields, simulated(name, "test").fields.movedim(2, -1), rtol=0.0, atol=0.0)


def test_the_hosts_normalisation_makes_them_about_one(data: Data) -> None:
    from the_well.data.normalization import RMSNormalization, ZScoreNormalization

    name = "acoustic_scattering_maze"
    for kind in (ZScoreNormalization, RMSNormalization):
        held = module(data(name), name, use_normalization=True, normalization_type=kind)
        whole = torch.stack([sample["input_fields"] for sample in held.train_dataset]).flatten(
            0, -2
        )
        square = whole.square().mean(dim=0)
        # of the first two frames of every window, not of all
        assert bool(((square > 0.5) & (square < 2.0)).all())


def test_the_formatter_stacks_frames_then_constants(data: Data) -> None:
    from the_well.data.data_formatter import DefaultChannelsFirstFormatter

    name = "acoustic_scattering_maze"
    held = module(data(name), name)
    batch = next(iter(held.test_dataloader()))
    (x,), y = DefaultChannelsFirstFormatter(held.train_dataset.metadata).process_input(batch)
    truth = simulated(name, "test")
    assert_close(x[0], torch.cat([*truth.fields[0, :2], truth.constants[0]]))
    assert_close(y[0, 0], truth.fields[0, 2].movedim(0, -1))


@pytest.mark.parametrize("name", DATA)
def test_the_checkouts_own_checks_pass(
    data: Data, check_of: Check, name: str, recwarn: pytest.WarningsRecorder
) -> None:
    formatting, content = check_of("check_thewell_formatting"), check_of("check_thewell_data")
    found = files(data(name), name)
    assert len(found) == len(COUNTS)
    recwarn.clear()
    for path in found:
        formatting["check_hdf5_format"](str(path))
        assert "has no detected issue" in content["check_file"](str(path))
    assert [warning for warning in recwarn if "is not named after" in str(warning.message)] == []


@pytest.mark.parametrize("name", ["acoustic_scattering_maze", "rayleigh_benard", "maxwell"])
def test_the_statistics_are_those_of_the_checkouts_script(
    data: Data, check_of: Check, tmp_path: Path, name: str
) -> None:
    folder = data(name) / well_name(data(name), name)
    ours = yaml.safe_load((folder / "stats.yaml").read_text(encoding="utf-8"))
    made = tmp_path / "stats.yaml"
    check_of("compute_statistics")["compute_statistics"](
        os.fspath(folder / "data" / "train"), os.fspath(made)
    )
    theirs = yaml.safe_load(made.read_text(encoding="utf-8"))
    assert ours.keys() == theirs.keys()
    for kind, fields in theirs.items():
        assert ours[kind].keys() == fields.keys()
        for field, value in fields.items():
            # written with five digits
            assert ours[kind][field] == pytest.approx(value, rel=1e-4, abs=1e-6)
