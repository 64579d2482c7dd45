"""Convolutions on tokens and on points equal torch's own, padded as each boundary asks."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model.convolution import DepthwiseConv
from wavelit_plugin.shapes import Boundary

Awake = Callable[[nn.Module], nn.Module]
WIDTH = 6
GRIDS = [(5,), (1,), (4, 5), (1, 3), (3, 4, 5), (1, 2, 1)]
CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def tokens(grid: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, *grid, WIDTH, dtype=torch.float64, generator=rng)


def ours(boundary: tuple[Boundary, ...], awake: Awake) -> DepthwiseConv:
    layer = DepthwiseConv(WIDTH, boundary).double()
    awake(layer)
    return layer


@pytest.mark.parametrize(
    ("name", "mode"), [("periodic", "circular"), ("open", "zeros"), ("wall", "zeros")]
)
@pytest.mark.parametrize("grid", GRIDS)
def test_all_axes_alike_equal_the_padding_mode_of_torch(
    grid: tuple[int, ...], name: Boundary, mode: str, awake: Awake, rng: torch.Generator
) -> None:
    layer, x = ours((name,) * len(grid), awake), tokens(grid, rng)
    reference = CONVOLUTIONS[len(grid)](
        WIDTH, WIDTH, 3, padding=1, padding_mode=mode, groups=WIDTH, dtype=torch.float64
    )
    reference.load_state_dict(layer.state_dict())
    assert_close(layer(x), reference(x.movedim(-1, 1)).movedim(1, -1))


def test_one_axis_equals_a_one_dimensional_convolution(awake: Awake, rng: torch.Generator) -> None:
    layer, x = ours(("open",), awake), tokens((7,), rng)
    expected = F.conv1d(x.movedim(-1, 1), layer.weight, layer.bias, padding=1, groups=WIDTH)
    assert_close(layer(x), expected.movedim(1, -1))


def test_each_axis_is_padded_by_its_own_rule(awake: Awake, rng: torch.Generator) -> None:
    layer, x = ours(("periodic", "open"), awake), tokens((4, 5), rng)
    u = F.pad(x.movedim(-1, 1), (0, 0, 1, 1), mode="circular")
    expected = F.conv2d(F.pad(u, (1, 1)), layer.weight, layer.bias, groups=WIDTH)
    assert_close(layer(x), expected.movedim(1, -1))


def test_the_positional_convolution_starts_as_zero(rng: torch.Generator) -> None:
    layer = DepthwiseConv(WIDTH, ("open", "open"), zero=True).double()
    assert not layer(tokens((3, 3), rng)).any()
