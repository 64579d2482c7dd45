"""The target of neuraloperator's training, whole and cut by its multi-grid patching."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

pytest.importorskip("neuralop")
pytestmark = pytest.mark.host


def model(in_channels: int, out_channels: int = 1) -> tuple[Any, list[Tensor | None]]:
    """Return a small model, and the targets that its core is shown."""
    from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator

    built = WaveLiTOperator(in_channels, out_channels, width=8, heads=1, depth=1)
    seen: list[Tensor | None] = []
    built.core.register_forward_pre_hook(
        lambda _core, _args, given: seen.append(given.get("target")), with_kwargs=True
    )
    return built.train(), seen


@pytest.mark.parametrize("padding", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("size", [(16, 16), (24, 32)])
def test_a_target_is_cut_as_the_input_is(
    padding: float, size: tuple[int, int], rng: torch.Generator
) -> None:
    from neuralop.training.patching import MultigridPatching2D

    # at two levels the host fails by itself
    patcher = MultigridPatching2D(nn.Identity(), levels=1, padding_fraction=padding)
    u = torch.randn(3, 1, *size, generator=rng)
    x, y = patcher.patch(u, 2 * u + 1)
    built, seen = model(2)
    built(x, y=y)
    # the finest patches come first in the input, and the target is a function of each point
    assert_close(seen[0], 2 * x[:, :1] + 1, rtol=0.0, atol=0.0)
    built.eval()(x, y=y)
    assert seen[1] is None


@pytest.mark.parametrize(
    "shape", [(12, 1, 8, 8), (3, 2, 16, 16), (3, 1, 15, 16), (24, 1, 16, 16), (3, 1, 64, 64)]
)
def test_a_target_of_other_shapes_is_not_looked_at(shape: tuple[int, ...]) -> None:
    # among them patches that are not stitched together: they have no margins
    built, seen = model(2)
    assert built(torch.randn(12, 2, 12, 12), y=torch.randn(shape)).shape == (12, 1, 12, 12)
    assert seen == [None]


@pytest.mark.parametrize("size", [(9,), (9, 12), (6, 4, 8)])
def test_a_target_of_the_outputs_shape_is_shown_as_it_is(size: tuple[int, ...]) -> None:
    from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator

    built = WaveLiTOperator(1, 1, ndim=len(size), width=8, heads=1, depth=1).train()
    y = 100 * torch.randn(4, 1, *size)
    built(torch.randn(4, 1, *size), y=y).sum().backward()
    _, outer = built.core.normalizer.field_scales()
    # of a target that has nothing to do with the input
    assert_close(outer, y.std(unbiased=False).view(1), rtol=0.1, atol=0.0)
