"""The convolution by the longest waves: its kernel, boundaries, resolution and precision."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.model.long_waves import WAVES, LongWaves, WaveFunctions
from wavelit_plugin.shapes import Boundary

Awake = Callable[[nn.Module], nn.Module]
WIDTH = 12


class Layer(nn.Module):
    """The convolution with the waves that it is given."""

    def __init__(self, boundary: tuple[Boundary, ...], width: int = WIDTH) -> None:
        super().__init__()
        self.convolution = LongWaves(width, boundary)
        self.functions = WaveFunctions(boundary)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.convolution(x, self.functions(tuple(x.shape[1:-1])))
        return convolved


def made(boundary: tuple[Boundary, ...], awake: Awake) -> Layer:
    layer = Layer(boundary)
    awake(layer)
    return layer


def tokens(*grid: int, rng: torch.Generator) -> Tensor:
    return torch.randn(2, *grid, WIDTH, dtype=torch.float64, generator=rng)


def kernel(numbers: tuple[int, ...], x: Tensor, y: Tensor, boundary: tuple[Boundary, ...]) -> float:
    """What a wave number couples a place to another by: written out as cosines of distances."""
    product = 1.0
    for m, a, b, name in zip(numbers, x.tolist(), y.tolist(), boundary, strict=True):
        if m == 0:
            continue
        if name == "periodic":
            product *= 2 * math.cos(2 * math.pi * m * (a - b))
        else:  # and of the distance to the mirror image
            product *= math.cos(math.pi * m * (a - b)) + math.cos(math.pi * m * (a + b))
    return product


@pytest.mark.parametrize(
    ("grid", "boundary"),
    [
        ((17,), ("periodic",)),
        ((9,), ("wall",)),
        ((8, 5), ("periodic", "open")),
        ((5, 6, 7), ("wall", "periodic", "open")),
    ],
)
def test_it_is_the_sum_over_all_places_of_matrices_times_cosines(
    grid: tuple[int, ...], boundary: tuple[Boundary, ...], awake: Awake, rng: torch.Generator
) -> None:
    layer, v = made(boundary, awake), tokens(*grid, rng=rng)
    axes = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in grid]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, -2)
    count = WAVES[len(grid)]
    flat = v.flatten(1, -2)
    chosen = [0, len(places) // 3, len(places) - 1]
    wanted = torch.zeros(2, len(chosen), WIDTH, dtype=torch.float64)
    for place, numbers in enumerate(itertools.product(range(count), repeat=len(grid))):
        matrix = layer.convolution.weight[place].detach()
        rows = [
            [kernel(numbers, places[i], y, boundary) / len(places) for y in places] for i in chosen
        ]
        wanted += torch.tensor(rows, dtype=torch.float64) @ flat @ matrix
    assert_close(layer(v).flatten(1, -2)[:, chosen], wanted, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("shift", [(1, 0), (3, 5)])
def test_where_the_domain_wraps_around_no_place_is_special(
    shift: tuple[int, int], awake: Awake, rng: torch.Generator
) -> None:
    layer, v = made(("periodic", "periodic"), awake), tokens(9, 10, rng=rng)
    assert_close(layer(v.roll(shift, (1, 2))), layer(v).roll(shift, (1, 2)))


def test_beyond_a_wall_is_the_mirror_image(awake: Awake, rng: torch.Generator) -> None:
    """The same weights on the domain and its image side by side, which wrap around."""
    layer, v = made(("wall",), awake), tokens(10, rng=rng)
    around = Layer(("periodic",))
    around.load_state_dict(layer.state_dict())
    both = torch.cat([v, v.flip(1)], dim=1)
    assert_close(around(both)[:, :10], layer(v))


@pytest.mark.parametrize("name", ["periodic", "wall"])
def test_waves_that_a_small_grid_cannot_show_are_left_out(name: Boundary, awake: Awake) -> None:
    """One token: nothing but the mean, by the matrix of the constant."""
    layer, v = made((name, name), awake), torch.ones(1, 1, 1, WIDTH, dtype=torch.float64)
    assert_close(layer(v), v @ layer.convolution.weight[0].detach())


@pytest.mark.parametrize("name", ["periodic", "wall"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 16])
def test_the_waves_of_a_grid_are_orthonormal_or_zero(size: int, name: Boundary) -> None:
    (found,) = WaveFunctions((name,)).double()((size,))
    products = found.T @ found
    shown = products.diagonal() > 0.5
    assert_close(products, torch.diag(shown.double()), rtol=0.0, atol=1e-12)
    count = WAVES[1]
    if name == "wall":
        assert int(shown.sum()) == min(size, count)
    else:  # below half as many waves as points, each as cosine and sine but the constant
        assert int(shown.sum()) == 2 * min((size - 1) // 2, count - 1) + 1


@pytest.mark.parametrize("name", ["periodic", "open"])
def test_a_finer_grid_of_the_same_field_gets_the_same_answer(name: Boundary, awake: Awake) -> None:
    layer, found = made((name,), awake), []
    for size in (64, 192):
        x = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        v = 3 * torch.sin(2 * math.pi * x) + torch.cos(4 * math.pi * x)
        found.append(layer(v[None, :, None].expand(1, size, WIDTH)).detach())
    # the centre of a coarse cell is that of the middle one of its three parts
    coarse, fine = found[0], found[1][:, 1::3]
    assert float((fine - coarse).norm() / coarse.norm()) < 1e-3


def test_a_new_layer_adds_nothing(rng: torch.Generator) -> None:
    layer = Layer(("open", "open"))
    assert not layer(tokens(4, 5, rng=rng)).any()


def test_sums_over_many_tokens_keep_their_precision_under_autocast(
    awake: Awake, rng: torch.Generator
) -> None:
    layer = made(("periodic", "wall"), awake).float()
    v = (100 + tokens(32, 32, rng=rng)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        half = layer(v)
    assert half.dtype == torch.bfloat16
    assert_close(half.float(), layer(v.float()), rtol=1e-2, atol=1e-2)
