"""Between two looks at the data a step needs nothing of the host, for which a GPU would wait."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.harness import Dispatched
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import WaveLiT
from wavelit_plugin.model.normalizer import CONDITION_SAMPLES

FROM_HOST = {torch.ops.aten.lift_fresh.default}  # values of Python made a tensor
TO_HOST = {torch.ops.aten._local_scalar_dense.default}  # and the other way round


def passed(dispatched: Dispatched) -> list[str]:
    return [func.name() for func in dispatched.seen if func in FROM_HOST | TO_HOST]


@pytest.mark.parametrize(
    "knobs",
    [
        {"ndim": 1, "levels": 2, "noise": 0.1},
        {"ndim": 2, "pyramid_scales": 2, "boundary": ("periodic", "wall"), "conditions": 2},
        {"ndim": 2, "wavelet": "db4", "boundary": "periodic"},
        {"ndim": 3, "pyramid_scales": 2, "activation_checkpointing": True},
    ],
)
def test_a_training_step_passes_nothing_to_or_from_the_host(
    knobs: dict[str, Any], build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model, loss = build(**knobs).train(), WaveletLoss()
    u = torch.randn(3, 2, *(6,) * knobs["ndim"], dtype=torch.float64, generator=rng)
    condition = u.new_ones(3, 2) if "conditions" in knobs else None
    target = u[:, :1].clone()
    model.normalizer._monitor.looked = 3 * CONDITION_SAMPLES  # a time between two looks
    with Dispatched() as dispatched:
        loss(model(u, condition), target).backward()
    assert passed(dispatched) == []


def test_both_directions_are_seen() -> None:
    with Dispatched() as dispatched:
        float(torch.tensor([1.0, 2.0]).sum())
    assert passed(dispatched) == ["aten::lift_fresh", "aten::_local_scalar_dense"]
