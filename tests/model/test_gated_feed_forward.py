"""The second branch of a block: products of neighbouring features behind a gate."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from wavelit_plugin.model.block import GatedFeedForward
from wavelit_plugin.shapes import Boundary


@pytest.mark.parametrize("boundary", [("open",), ("periodic", "wall"), ("wall", "open", "open")])
def test_the_first_half_is_gated_by_the_second(
    boundary: tuple[Boundary, ...],
    awake: Callable[[nn.Module], nn.Module],
    rng: torch.Generator,
) -> None:
    """W_2 (a b sigmoid(b)) with a, b the halves of conv(W_1 x)."""
    layer = GatedFeedForward(6, boundary).double()
    awake(layer)
    x = torch.randn(2, *(4,) * len(boundary), 6, dtype=torch.float64, generator=rng)
    inside = layer.local(x @ layer.expand.weight.T + layer.expand.bias)
    a, b = inside[..., :12], inside[..., 12:]
    expected = (a * b / (1 + torch.exp(-b))) @ layer.out.weight.T + layer.out.bias
    assert_close(layer(x), expected)
