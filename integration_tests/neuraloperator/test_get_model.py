"""Our models come out of the host's own ``get_model``, from configs made for its FNO."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration_tests.conftest import Run

BUILD = """
import json, sys, warnings
from neuralop.models import get_model
from zencfg.bunch import Bunch

caught = []
warnings.showwarning = lambda message, *_: caught.append(str(message))
warnings.simplefilter("always")
try:
    model = get_model(Bunch({"model": json.loads(sys.argv[1])}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
else:
    ours = [text for text in caught if "waveliT" in text]
    print(json.dumps({"width": model.core.config.width, "ndim": model.core.config.ndim,
                      "parameters": sum(p.numel() for p in model.parameters()), "warnings": ours}))
"""

FNO = {
    "_config_name": "fno_small2d",
    "arch": None,
    "data_channels": 1,
    "out_channels": 1,
    "n_modes": [16, 16],
    "hidden_channels": 24,
    "projection_channel_ratio": 2,
    "norm": None,
    "factorization": None,
}


def build(run: Run, **options: object) -> dict[str, object]:
    return json.loads(run("-c", BUILD, json.dumps({**FNO, **options})).stdout.splitlines()[-1])


def test_changing_only_the_name_in_an_fno_config_gives_wavelit_and_one_warning(run: Run) -> None:
    built = build(run, model_arch="waveliT")
    assert built["ndim"] == 2
    warnings = built["warnings"]
    assert isinstance(warnings, list)
    assert len(warnings) == 1
    warning = str(warnings[0])
    assert all(name in warning for name in ("n_modes", "hidden_channels", "norm"))
    assert "_config_name" not in warning


@pytest.mark.parametrize(
    ("name", "millions"), [("waveliT-1M", 1), ("wavelit-4m", 4), ("waveliT-10M", 10)]
)
def test_presets_have_the_size_of_their_name(run: Run, name: str, millions: int) -> None:
    built = build(run, model_arch=name, data_channels=3, out_channels=3)
    assert built["parameters"] == pytest.approx(millions * 1e6, rel=0.05)


def test_the_dimension_is_the_number_of_modes(run: Run) -> None:
    assert build(run, model_arch="waveliT", n_modes=[8, 8, 8])["ndim"] == 3


def test_a_knob_of_ours_is_taken(run: Run) -> None:
    assert build(run, model_arch="waveliT", width=48)["width"] == 48


def test_an_unknown_key_names_the_nearest_one_and_not_an_unknown_architecture(run: Run) -> None:
    built = build(run, model_arch="waveliT", widht=48)
    assert built["error"] == "ConfigError"
    assert "did you mean 'width'" in str(built["message"])


def test_the_hosts_own_models_are_untouched(run: Run) -> None:
    code = """
import json, sys
from neuralop.models import get_model
from zencfg.bunch import Bunch
print(type(get_model(Bunch({"model": json.loads(sys.argv[1])}))).__module__)
"""
    plain = {key: value for key, value in FNO.items() if key not in {"_config_name", "arch"}}
    shown = run("-c", code, json.dumps({**plain, "model_arch": "fno"})).stdout
    assert shown.split()[-1] == "neuralop.models.fno"


def test_zencfg_builds_our_config_classes_by_name(run: Run, scripts: Path) -> None:
    code = """
import sys
import neuralop  # as every script of the host does first
sys.path.insert(0, "..")
from zencfg import make_config_from_cli
from config.darcy_config import Default
model = make_config_from_cli(Default).to_dict().model
print(model["model_arch"], model["width"], model["ndim"])
"""
    done = run("-c", code, "--model", "wavelit_medium3d", "--model.width", "96", cwd=scripts)
    assert done.stdout.split() == ["waveliT-4M", "96", "3"]
