"""What cannot work is one clear line, and the host works on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integration_tests.conftest import Run
from integration_tests.pdearena.conftest import (
    CONFIGS,
    HELPERS,
    Checkouts,
    Data,
    Train,
    arguments,
)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CONFIG, TASK = "navierstokes2d.yaml", "NavierStokes2D"
CASES: list[tuple[tuple[str, ...], str, str]] = [
    (
        ("--model.criterion", "wavlet+mse"),
        "ConfigError",
        (
            "unknown criterion 'wavlet+mse'; did you mean 'wavelet+mse'? Known: mse, scaledl2, "
            "wavelet, wavelet+mse, wavelet+scaledl2"
        ),
    ),
    (
        ("--model.name", "waveliT-40M"),
        "ConfigError",
        (
            "unknown model 'waveliT-40M'; did you mean 'waveliT-4M'? Known: waveliT, waveliT-1M, "
            "waveliT-4M, waveliT-10M, waveliT-Maxwell3D, waveliT-periodic, waveliT-1M-periodic, "
            "waveliT-4M-periodic, waveliT-10M-periodic, waveliT-Maxwell3D-periodic"
        ),
    ),
    (
        ("--data.pde.n_spatial_dim", "1"),
        "ConfigError",
        (
            "PDEModel trains on 2 space axes, got n_spatial_dim 1; one axis is for PDE-Refiner, "
            "scripts/pderefiner_train.py; three are for pdearena's Maxwell3DPDEModel"
        ),
    ),
    (
        ("--model.name", "waveliT-Maxwell3D"),
        "ConfigError",
        (
            "waveliT-Maxwell3D does not fit n_spatial_dim 2; waveliT-Maxwell3D is for 3 axes, the "
            "others for 2"
        ),
    ),
    (
        ("--data.usegrid", "true"),
        "ConfigError",
        (
            "waveliT knows positions by itself and takes no grid channels, got usegrid: true; set "
            "data.usegrid to false"
        ),
    ),
    (
        ("--data.pde.trajlen", "3"),
        "ConfigError",
        (
            "trajlen is 3, but 4 frames of history and a roll-out of 5 steps need 9; lower "
            "time_history or max_num_steps, or make longer trajectories"
        ),
    ),
]


@pytest.fixture
def outcomes(
    host_run: Run, checkouts: Checkouts, data: Data, tmp_path: Path
) -> list[tuple[str, str] | None]:
    """How the stock script ended for each case, then for short files, then for a host's model."""
    here, config = data(TASK), CONFIGS / CONFIG
    quick = ("--trainer.fast_dev_run", "true")
    runs = [arguments(config, here, *options) for options, _, _ in CASES]
    runs += [arguments(config, data("too short"))]
    runs += [arguments(config, here, *quick, "--model.name", "Unetbase-64")]
    script = str(checkouts.scripts / "train.py")
    lines = "\n".join(json.dumps([script, *given]) for given in runs)
    (tmp_path / "runs").write_text(lines, encoding="utf-8")
    shown = host_run(HELPERS / "try_each.py", tmp_path / "runs").stdout.splitlines()[-len(runs) :]
    return [json.loads(line) for line in shown]


def test_each_bad_input_is_one_clear_line_and_the_host_is_unharmed(outcomes: list[Any]) -> None:
    *bad, short, unharmed = outcomes
    for (options, kind, message), found in zip(CASES, bad, strict=True):
        assert found == [kind, message], options
    assert short[0] == "ConfigError"
    assert short[1].startswith("trajlen is 14, but the trajectories in ")
    assert short[1].endswith(
        "have 3 frames; set data.pde.trajlen to 3, or make longer trajectories"
    )
    assert unharmed is None


def test_the_error_is_the_last_line_of_the_stock_script(train: Train) -> None:
    failed = train("train.py", CONFIG, TASK, "--model.criterion", "wavlet", code=1)
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("wavelit_plugin.errors.ConfigError: unknown criterion 'wavlet'; did")


@pytest.mark.parametrize("criterion", ["mse", "wavelet+mse"])
def test_an_unknown_criterion_in_the_environment_ends_the_training(
    train: Train, criterion: str
) -> None:
    options = ("--model.criterion", criterion)
    environment = {"WAVELIT_CRITERION": "wavlet"}
    failed = train("train.py", CONFIG, TASK, *options, environment=environment, code=1)
    reason = "unknown criterion 'wavlet'; did you mean 'wavelet'? Known: wavelet"
    logged = [line for line in failed.stderr.splitlines() if line.startswith("wavelit: ")]
    assert logged == [f"wavelit: pdearena (pdearena.models.pdemodel): not registered: {reason}"]
    assert (
        failed.stderr.strip()
        .splitlines()[-1]
        .startswith(
            f"wavelit_plugin.errors.ConfigError: WAVELIT_CRITERION=wavlet cannot be had: {reason}"
        )
    )


def test_with_a_criterion_an_unsupported_version_of_the_host_trains_nothing(
    host_run: Run,
) -> None:
    before = "import pdearena.version\npdearena.version.__version__ = '0.3.0'\n"
    code = f"{before}from pdearena.models.pdemodel import PDEModel\nPDEModel()"
    failed = host_run("-c", code, environment={"WAVELIT_CRITERION": "wavelet"}, code=1)
    assert "cannot be had: pdearena 0.3.0 is here" in failed.stderr.strip().splitlines()[-1]


IMPORT = """
from pdearena.models.cond_pdemodel import CondPDEModel
from pdearena.models.pdemodel import PDEModel
from pdearena.models.registry import COND_MODEL_REGISTRY, MODEL_REGISTRY
print("waveliT" in MODEL_REGISTRY, "waveliT" in COND_MODEL_REGISTRY,
      *(hasattr(cls.__init__, "__wrapped__") for cls in (PDEModel, CondPDEModel)))
"""


def unsupported(run: Run, before: str, **environment: str) -> set[str]:
    """Return what is said when the host is imported; it must be left as it is."""
    done = run("-c", before + IMPORT, environment=environment)
    assert done.stdout.split()[-4:] == ["False"] * 4
    return {line for line in done.stderr.splitlines() if line.startswith("wavelit")}


def test_an_unsupported_version_of_the_host_is_left_alone(host_run: Run) -> None:
    before = "import pdearena.version\npdearena.version.__version__ = '0.3.0'\n"
    said = unsupported(host_run, before)
    assert said
    assert all("pdearena 0.3.0 is here and >=0.2,<0.3 is supported" in line for line in said)


def test_an_unsupported_lightning_is_left_alone(host_run: Run, tmp_path: Path) -> None:
    fake = tmp_path / "pytorch_lightning-2.1.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pytorch-lightning\nVersion: 2.1.0\n", encoding="utf-8"
    )
    said = unsupported(host_run, "", PYTHONPATH=str(tmp_path))
    assert said
    assert all("pytorch-lightning 2.1.0 is here and >=1.7,<2" in line for line in said)
