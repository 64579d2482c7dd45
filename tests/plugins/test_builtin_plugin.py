"""What this package provides through its own hooks."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest
import torch

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import PRESETS, WaveLiT
from wavelit_plugin.plugins import criteria, hosts, models, readers, writers


def test_every_preset_is_a_model() -> None:
    assert {record.name for record in models()} >= set(PRESETS)
    assert all(record.summary for record in models())


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_record_builds_a_model_for_the_channels_and_axes_asked_for(ndim: int) -> None:
    (record,) = [record for record in models() if record.name == "waveliT"]
    sizes = {"width": 16, "depth": 1, "heads": 2}
    model = record.build(in_channels=2, out_channels=1, ndim=ndim, **sizes)
    assert isinstance(model, WaveLiT)
    assert model(torch.randn(1, 2, *(8,) * ndim)).shape == (1, 1, *(8,) * ndim)


def test_an_unknown_knob_is_refused_with_the_nearest() -> None:
    (record,) = [record for record in models() if record.name == "waveliT-1M"]
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        record.build(in_channels=1, out_channels=1, ndim=2, widht=16)


def test_the_wavelet_loss_is_the_criterion() -> None:
    (record,) = [record for record in criteria() if record.name == "wavelet"]
    loss = record.build(base=None)
    assert isinstance(loss, WaveletLoss)
    assert float(loss(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8))) == 0.0


def test_our_own_hosts_come_in_by_the_hooks_that_others_use() -> None:
    announced = {entry.name for entry in entry_points(group="wavelit.hosts")}
    assert {record.watched for record in hosts()} == announced
    assert list(dict.fromkeys(r.host for r in hosts())) == [
        "neuraloperator",
        "pdearena",
        "the_well",
    ]
    for records in (readers(), writers()):
        assert [record.name for record in records] == ["neuraloperator", "pdearena", "the_well"]
