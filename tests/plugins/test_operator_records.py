"""The operators that can be compared: what is listed, and what WaveLiT makes of its task."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.model import PRESETS, WaveLiT
from wavelit_plugin.model.config import LEVELS
from wavelit_plugin.plugins import operators
from wavelit_plugin.plugins.types import GridTask, OperatorRecord
from wavelit_plugin.plugins.wavelit_operators import heads_of

RECORDS = operators()

# nothing of a host is imported to list its operators and to see whether they are here
LISTING = """
import sys
from wavelit_plugin.plugins import operators
found = [(record.name, record.missing()) for record in operators()]
hosts = ("neuralop", "pdearena.models", "pdearena.modules", "the_well", "timm", "torch_harmonics")
print(*(name for name in hosts if name in sys.modules), len(found) > 40)
"""


def task(ndim: int = 2, *, inputs: int = 3, continues: bool = True) -> GridTask:
    return GridTask(
        in_channels=inputs,
        out_channels=2,
        size=(16, 12, 8)[:ndim],
        boundary=("periodic", "wall", "open")[:ndim],
        continues=continues,
        fields=("u", "v"),
    )


def preset(name: str = "waveliT") -> OperatorRecord:
    return next(record for record in RECORDS if record.name == name)


def built(known: GridTask, width: int | None = 24) -> WaveLiT:
    model = preset().build(known, width)
    assert isinstance(model, WaveLiT)
    return model


def test_all_that_we_know_is_listed_once() -> None:
    names = [record.name for record in RECORDS]
    assert len(set(names)) == len(names)
    expected = {*PRESETS, "persistence", "linear", "FNO", "TFNO", "UNO", "LocalNO", "CODANO"}
    assert set(names) >= expected
    assert {"pdearena/ResNet-128", "pdearena/Unetmod-64", "the_well/UNetConvNext"} <= set(names)


def test_listing_imports_no_host() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LISTING], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.split() == ["True"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_rates_and_widths_ascend(record: OperatorRecord) -> None:
    rates, widths = record.learning_rates, list(record.widths(task()))
    # the rates of a grid are a factor of two apart, the same for everyone
    assert all(high == pytest.approx(2 * low) for low, high in itertools.pairwise(rates))
    assert len(rates) == (5 if record.trains else 0)
    assert widths == sorted(set(widths))
    assert record.summary
    assert "\n" not in f"{record.missing()}{record.takes(task())}"


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_wavelit_maps_its_task_and_learns_everywhere(ndim: int, *, continues: bool) -> None:
    known = task(ndim, continues=continues)
    model = built(known)
    u = torch.randn(2, 3, *known.size)
    prediction = model(u)
    assert prediction.shape == (2, 2, *known.size)
    # the last layers start at zero, so what is before them learns from the second step on
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model(u, target=torch.randn_like(u[:, :2])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_wavelit_is_told_boundaries_fields_and_constants() -> None:
    config = built(task(3)).config
    assert config.axes == ("periodic", "wall", "open")
    layout = config.channels
    assert (layout.fields, layout.constants, layout.names) == (2, 1, ("u", "v"))
    assert config.residual == "auto"


def test_wavelit_continues_nothing_where_the_task_does_not() -> None:
    config = built(task(inputs=1, continues=False)).config
    assert (config.channels.fields, config.channels.constants) == (0, 1)
    assert config.residual == "off"


def test_wavelit_has_the_width_that_is_asked_for_and_heads_to_match() -> None:
    config = built(task(), 96).config
    assert (config.width, config.heads) == (96, 2)
    assert (config.depth, config.levels) == (PRESETS["waveliT"]["depth"], LEVELS[2])


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_without_a_width_has_its_own(name: str) -> None:
    with torch.device("meta"):
        model = preset(name).build(task(), None)
    assert isinstance(model, WaveLiT)
    assert vars(model.config).items() >= dict(PRESETS[name]).items()


def test_every_width_can_be_built_with_heads_of_about_48() -> None:
    widths = list(preset().widths(task()))
    assert all(high - low <= 24 for low, high in itertools.pairwise(widths[:30]))
    for width in widths:
        heads = heads_of(width)
        assert width % (2 * heads) == 0
        # 32 to 64 work best; below, there is one head
        assert heads == 1 if width < 48 else 32 <= width / heads <= 64
    for knobs in PRESETS.values():
        assert heads_of(knobs["width"]) == knobs["heads"]


def test_wavelit_measures_its_scales_before_training() -> None:
    record, model = preset(), built(task())
    x = 5 * torch.randn(600, 3, 16, 12) + 7
    y = x[:, :2] + 0.1 * torch.randn(600, 2, 16, 12)
    assert record.fit is not None
    record.fit(model, x, y)
    assert bool(model.normalizer.frozen)
    # 300 samples of 192 points: the mean is known to 5 / sqrt(57600)
    assert_close(model.normalizer.input_mean[2:], torch.tensor([7.0]), rtol=0.0, atol=0.1)
    assert model.normalizer.persistence.min() > 0.99
    record.fit(torch.nn.Identity(), x, y)  # a plugin's model may measure nothing


def test_of_a_change_wavelit_does_not_take_the_state_for_a_part() -> None:
    record, model = preset(), built(task())
    x, change = torch.randn(64, 3, 16, 12), torch.randn(64, 2, 16, 12)
    assert record.fit is not None
    record.fit(model, x, change)
    assert model.normalizer.persistence.abs().max() == 0
