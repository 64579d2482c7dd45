"""Whatever is passed to a model: the right shape, or one of our own errors."""

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from wavelit_plugin.errors import WavelitError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

pytestmark = pytest.mark.usefixtures("without_shape_check")

CASES = 400
DTYPES = [torch.float32] * 6 + [
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.bool,
    torch.complex64,
]
KNOBS: list[dict[str, Any]] = [
    {"ndim": 1},
    {"ndim": 2, "conditions": 2},
    {"ndim": 2, "layout": ChannelLayout(frames=2, fields=1), "noise": 0.1},
    {"ndim": 3, "levels": 2, "least_tokens": 8},
]


def sizes(draw: random.Random, ndim: int) -> list[int]:
    shape = [draw.choice([0, 1, 2, 3]), draw.choice([2, 2, 2, 2, 1, 3])]
    shape += [draw.choice([0, 1, 2, 5, 8]) if draw.random() < 0.4 else 8 for _ in range(ndim)]
    if draw.random() < 0.1:
        shape.pop()
    if draw.random() < 0.1:
        shape.append(4)
    return shape


def value(draw: random.Random, shape: list[int]) -> Any:
    """A tensor that may be of any dtype or device, or something else."""
    kind = draw.random()
    if kind < 0.04:
        return np.zeros(shape)
    if kind < 0.06:
        return draw.choice([None, "text", [1.0, 2.0], 3])
    if kind < 0.1:
        return torch.zeros(shape, device="meta")
    u = torch.randn(shape) * draw.choice([1.0, 1.0, 1e-30, 1e30])
    if draw.random() < 0.1 and u.numel():
        u.view(-1)[0] = draw.choice([float("nan"), float("inf")])
    u = u.to(draw.choice(DTYPES))
    return u.transpose(-1, -2) if draw.random() < 0.1 and u.ndim > 3 else u


def calls(model: WaveLiT, draw: random.Random) -> list[tuple[str, Callable[[], Any], Any]]:
    config = model.config
    shape = sizes(draw, config.ndim)
    u = value(draw, shape)
    condition = target = None
    if config.conditions or draw.random() < 0.05:
        condition = value(draw, [shape[0], config.conditions if draw.random() < 0.9 else 1])
    if draw.random() < 0.7:
        target = value(draw, [shape[0], 1, *shape[2:]] if draw.random() < 0.9 else shape)
    expected = (shape[0], 1, *(u.shape[2:] if isinstance(u, Tensor) else ()))

    def step() -> Any:
        out = model.train()(u, condition, target=target)
        if not out.is_meta and out.numel():
            out.float().square().mean().backward()
            model.zero_grad()
        return out

    return [
        ("training", step, expected),
        ("evaluation", lambda: model.eval()(u, condition), expected),
        ("fit", lambda: model.fit_statistics([(u, target)]), None),
        ("fit one", lambda: model.fit_statistics([u]), None),
    ]


@pytest.mark.parametrize("knobs", KNOBS)
def test_every_door_answers_rightly_or_by_one_of_our_errors(knobs: dict[str, Any]) -> None:
    draw = random.Random(0)  # noqa: S311
    torch.manual_seed(0)
    answered = refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(CASES // len(KNOBS)):
            config = WaveLiTConfig(
                in_channels=2, out_channels=1, width=4, heads=1, depth=1, **knobs
            )
            model = WaveLiT(config)
            for _name, call, expected in calls(model, draw):
                before = [buffer.clone() for buffer in model.buffers()]
                try:
                    found = call()
                except WavelitError as error:
                    refused += "\n" not in str(error)
                    for buffer, kept in zip(model.buffers(), before, strict=True):
                        assert torch.equal(buffer, kept)
                    continue
                answered += 1
                if expected is not None:
                    assert tuple(found.shape) == expected
    assert answered > CASES / len(KNOBS) / 4
    assert refused > CASES / len(KNOBS) / 2
