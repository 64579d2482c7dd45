"""A host's configuration may hold any option of any type: it makes a model or one of our errors."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from wavelit_plugin.errors import ConfigError, WavelitError
from wavelit_plugin.hosts.pdearena.model import ConditionedWaveLiTFields, WaveLiTFields
from wavelit_plugin.hosts.pdearena.training import find_criterion
from wavelit_plugin.hosts.the_well.model import WaveletMetric, WaveLiTModel
from wavelit_plugin.hosts.the_well.samples import FiniteSamples
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import WaveLiTConfig

pytestmark = pytest.mark.filterwarnings("ignore:waveliT ignores the options")

CASES = 300
SMALL = {"width": 8, "heads": 1, "depth": 1, "levels": 1}
FIELDS = {f"n_{s}put_{k}_components": 1 for s in ("in", "out") for k in ("scalar", "vector")}
KNOBS = (*WaveLiTConfig.__dataclass_fields__, "widht", "", "preset")

# what YAML, JSON, Python and a mistake may put in the place of a value
ODD: tuple[Any, ...] = (
    *(
        "warn",
        "off",
        None,
        "",
        "a",
        "2",
        b"x",
        -1,
        0,
        1,
        2,
        3,
        1.5,
        float("nan"),
        float("inf"),
        True,
        False,
    ),
    *([], [1], [2, 3], [[1]], ["a"], ["open", "wall"], (1,), ("open",), {}, {"a": 1}, {1: 2}),
    *(set(), object(), torch.zeros(2), int),
)


def from_get_model(**options: Any) -> object:
    from neuralop.models import get_model
    from zencfg.bunch import Bunch

    return get_model(Bunch({"model": {"model_arch": "waveliT", **options}}))


DOORS: dict[str, tuple[Callable[..., object], dict[str, Any], tuple[str, ...]]] = {
    "neuraloperator": (
        from_get_model,
        {"data_channels": 1, "out_channels": 1, **SMALL},
        ("n_modes", "norm", *KNOBS),
    ),
    "pdearena": (
        WaveLiTFields,
        {**FIELDS, "time_history": 1, "time_future": 1, **SMALL},
        ("n_dims", "activation", *KNOBS),
    ),
    "pdearena, conditioned": (
        ConditionedWaveLiTFields,
        {**FIELDS, "time_history": 1, "time_future": 1, **SMALL},
        ("n_dims", "activation", "param_conditioning", *KNOBS),
    ),
    "the_well": (
        WaveLiTModel,
        {"dim_in": 3, "dim_out": 3, "n_spatial_dims": 2, "spatial_resolution": (8, 8), **SMALL},
        ("n_steps_input", "train_dataset", *KNOBS),
    ),
    "the_well, loss": (
        WaveletMetric,
        {},
        ("base", "weight", "boundary", "levels", "wavelet", "exponent", "whitening", "wieght"),
    ),
    "loss": (WaveletLoss, {}, ("base", "weight", "final_weight", "reduction", "boundary")),
    "the_well, samples": (FiniteSamples, {}, ("on_nan",)),
}


@pytest.mark.parametrize("name", DOORS)
def test_any_option_makes_a_model_or_one_of_our_errors(name: str) -> None:
    door, right, more = DOORS[name]
    if name == "neuraloperator":
        pytest.importorskip("neuralop")
    draw = random.Random(0)  # noqa: S311  (no secret)
    built = refused = 0
    for _ in range(CASES):
        odd = {draw.choice([*right, *more]): draw.choice(ODD) for _ in range(draw.randint(1, 2))}
        try:
            door(**{**right, **odd})
        except WavelitError:
            refused += 1
        else:
            built += 1
    assert built
    assert refused


@pytest.mark.parametrize("name", [None, 3, [], "wavlet", "", ["mse"]])
def test_a_criterion_is_a_name(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"unknown criterion .* Known: mse, scaledl2, wavelet"):
        find_criterion(name)


@pytest.mark.parametrize("name", ["wieght", "reduction", "normalize"])
def test_an_unknown_option_of_the_metric_lists_the_known(name: str) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(ConfigError, match="Known: levels, wavelet, exponent, whitening"):
        WaveletMetric(**options)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (WaveLiTFields, "in_channels"),
        (WaveLiTFields, "ndim"),
        (ConditionedWaveLiTFields, "conditions"),
        (WaveLiTModel, "out_channels"),
    ],
)
def test_a_knob_that_the_host_settles_is_refused(kind: Any, name: str) -> None:
    right = DOORS["the_well" if kind is WaveLiTModel else "pdearena"][1]
    with pytest.raises(ConfigError, match=f"{name} follows from the host's own options, got 2"):
        kind(**right, **{name: 2})
