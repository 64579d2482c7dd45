"""The checkout's train.py, unmodified: fit, validation, roll-out, test, saving, resuming."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from integration_tests.conftest import ROOT, Run
from integration_tests.the_well.conftest import SMALL, Data, Train, experiment, losses

pytestmark = pytest.mark.slow

ONE = "trainer.epochs=1"
# the host begins at a tenth of the rate, and there are only four steps an epoch
FAST = "optimizer.lr=0.02"
VALIDATION, ROLLOUT = "avg validation loss", "avg rollout validation loss"


def saved(folder: Path) -> dict[str, Tensor]:
    state = torch.load(folder / "checkpoints" / "recent.pt", weights_only=True)
    tensors: dict[str, Tensor] = state["model_state_dict"]
    return tensors


def samples(folder: Path) -> int:
    return int(saved(folder)["core.normalizer.inputs.samples"])


def test_an_experiment_fits_rolls_out_saves_resumes_and_validates(
    train: Train, tmp_path: Path
) -> None:
    given = ("acoustic_scattering_maze", "experiment=wavelit", *SMALL, FAST)
    first = train(*given, ONE)
    folder = experiment(tmp_path)
    assert folder.parent.name == "acoustic_scattering_maze-wavelit-WaveLiTModel-0.02"
    for kind in (VALIDATION, ROLLOUT, "Test loss"):
        assert losses(first, kind)
    assert samples(folder) == 12  # of 3 trajectories with 4 windows
    second = train(*given, "trainer.epochs=8")
    assert "Loading checkpoint" in second.stdout
    # the host sets no seed: the epochs are many and the rate small enough for any start
    assert losses(second, "avg training loss")[-1] < losses(first, "avg training loss")[0]
    assert samples(folder) == 96  # the statistics went on from where they were
    checked = train(*given, "trainer.epochs=8", "validation_mode=True")
    (before,), (after,) = losses(second, "Test loss"), losses(checked, "test loss")[:1]
    assert after == pytest.approx(before, rel=1e-6)


def test_fine_tuning_on_another_data_set_begins_with_the_weights_alone(
    train: Train, tmp_path: Path
) -> None:
    train("shear_flow", "experiment=wavelit", *SMALL, ONE)
    first = experiment(tmp_path)
    frozen = ("optimizer._target_=torch.optim.SGD", "optimizer.lr=0.0")
    train(
        "rayleigh_benard",
        *("experiment=wavelit", *SMALL, ONE, *frozen),
        "model._target_=in_the_well.pretrained",
        f"+model.checkpoint={first / 'checkpoints' / 'recent.pt'}",
        environment={"PYTHONPATH": str(ROOT / "examples" / "fine_tuning")},
    )
    (second,) = (path for path in tmp_path.glob("experiments/*/0") if path != first)
    assert second.parent.name.startswith("rayleigh_benard-wavelit-pretrained")
    before, after = saved(first), saved(second)
    weights = [name for name in before if ".normalizer." not in name]
    assert all(torch.equal(before[name], after[name]) for name in weights)
    assert samples(second) == 12  # its own alone


def test_the_wavelet_loss_of_an_experiment(train: Train) -> None:
    done = train("shear_flow", "experiment=wavelit_loss", *SMALL, FAST, "trainer.epochs=8")
    first, *_, last = losses(done, "avg training loss")
    assert last < first
    assert losses(done, VALIDATION)


def test_three_axes(train: Train, tmp_path: Path) -> None:
    done = train("maxwell", "experiment=wavelit", *SMALL, ONE)
    assert losses(done, ROLLOUT)
    assert saved(experiment(tmp_path))["core.normalizer.training_grid"].tolist() == [16, 16, 16]


def test_our_model_in_an_experiment_of_the_host(train: Train, tmp_path: Path) -> None:
    train("shear_flow", "experiment=fno", "model=wavelit", *SMALL, ONE)
    assert {name.split(".")[0] for name in saved(experiment(tmp_path))} == {"core"}


def test_a_model_of_changes(train: Train) -> None:
    changes = "data.train_dataset._target_=the_well.data.datasets.DeltaWellDataset"
    done = train("shear_flow", "experiment=wavelit", *SMALL, ONE, changes)
    assert losses(done, "avg training loss")


def test_wavelit_run_puts_its_criterion_beside_the_loss(train: Train) -> None:
    before = ("-m", "wavelit_plugin.cli", "run", "--criterion", "wavelet")
    given = ("shear_flow", "experiment=wavelit", *SMALL, ONE)
    with_term = train(*given, before=before)
    alone = train(*given, "name=alone")
    assert losses(with_term, "avg training loss")[0] > losses(alone, "avg training loss")[0]
    # the host finds its validation loss by the name of the loss, and that is its own
    assert losses(with_term, VALIDATION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("model.n_steps_input=1",),
            (
                "the data set has the fields scalar, velocity_x, velocity_y and the constants "
                "none, but the model is to take 3 fields and 3 constants; set n_steps_input to "
                "that of the data"
            ),
        ),
        (("model.boundary=opne",), "unknown boundary 'opne'; did you mean 'open'?"),
        (("model.preset=waveliT-40M",), "unknown preset 'waveliT-40M'; did you mean 'waveliT-4M'?"),
        (("+model.widht=8",), "unknown WaveLiT option 'widht'; did you mean 'width'?"),
    ],
    ids=["n_steps_input", "boundary", "preset", "knob"],
)
def test_what_cannot_work_is_one_clear_error(
    train: Train, options: tuple[str, ...], message: str
) -> None:
    failed = train("shear_flow", "experiment=wavelit", *SMALL, ONE, *options, code=1)
    assert message in failed.stderr


def test_an_unknown_criterion_in_the_environment_ends_the_training(train: Train) -> None:
    # the one line without Hydra's own
    environment = {"WAVELIT_CRITERION": "wavlet", "HYDRA_FULL_ERROR": "1"}
    given = ("shear_flow", "experiment=wavelit", *SMALL, ONE)
    failed = train(*given, environment=environment, code=1)
    assert "avg training loss" not in failed.stdout
    assert (
        failed.stderr.strip()
        .splitlines()[-1]
        .startswith(
            "wavelit_plugin.errors.ConfigError: WAVELIT_CRITERION=wavlet cannot be had: unknown "
            "criterion 'wavlet'; did you mean 'wavelet'? Known: wavelet"
        )
    )


def broken_copy(data: Path, folder: Path, split: str, place: tuple[int, ...]) -> tuple[Path, Path]:
    """Copy ``shear_flow`` with NaN in one place; return the folder around it and the file."""
    shutil.copytree(data / "shear_flow", folder / "data" / "shear_flow")
    (file,) = (folder / "data" / "shear_flow" / "data" / split).iterdir()
    with h5py.File(file, "r+") as content:
        content["t0_fields"]["scalar"][place] = np.nan
    return folder / "data", file


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_nan_in_the_data_is_refused_or_warned_of(
    train: Train, data: Data, tmp_path: Path, split: str
) -> None:
    copy, file = broken_copy(data("shear_flow"), tmp_path, split, (1, 3, 2, 2))
    given = ("shear_flow", "experiment=wavelit", *SMALL, ONE, f"data.well_base_path={copy}")
    failed = train(*given, code=1)
    assert f"{file} holds 1 NaN or infinite values of scalar in a sample" in failed.stderr
    assert "in trajectory 1, frame 3 (counted from 0)" in failed.stderr
    # the failed run left a checkpoint; this is another one
    done = train(*given, "samples.on_nan=warn", "name=warned")
    assert "values of scalar in a sample" in done.stderr
    assert losses(done, "avg training loss")


def test_the_model_in_an_experiment_of_the_host_warns_of_the_first_sample(
    train: Train, data: Data, tmp_path: Path
) -> None:
    copy, file = broken_copy(data("shear_flow"), tmp_path, "train", (0, 1, 2, 2))
    given = ("shear_flow", "experiment=fno", "model=wavelit", *SMALL, ONE)
    done = train(*given, f"data.well_base_path={copy}")
    assert f"{file} holds 1 NaN or infinite values of scalar in a sample" in done.stderr


def test_other_programs_that_use_hydra_do_not_see_our_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: null\n", encoding="utf-8")
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, hydra\n"
        "from hydra.core.global_hydra import GlobalHydra\n"
        "if sys.argv.pop() == 'with':\n"
        "    import the_well\n"
        "hydra.initialize_config_dir(sys.argv[1], version_base=None)\n"
        "loader = GlobalHydra.instance().config_loader()\n"
        "print([path.provider for path in loader.get_search_path().get_path()])\n",
        encoding="utf-8",
    )
    for word, expected in (("without", False), ("with", True)):
        done = run(program, tmp_path, word)
        assert ("'wavelit'" in done.stdout) == expected
