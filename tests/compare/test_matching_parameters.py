"""Widths that match a number of parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from wavelit_plugin.compare.matching import parameter_count, parameters_of, width_for
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins import operators
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

TASK = GridTask(
    in_channels=3,
    out_channels=3,
    size=(64, 64),
    boundary=("periodic", "periodic"),
    continues=True,
    fields=("u", "v", "p"),
)


def square(_task: GridTask, width: int | None) -> nn.Module:
    """Have width**2 parameters; 100 without a width."""
    return nn.Linear(width or 10, width or 10, bias=False)


def operator(
    widths: Sequence[int] = (),
    build: Callable[[GridTask, int | None], nn.Module] = square,
) -> OperatorRecord:
    return OperatorRecord(
        name="square", summary="", ecosystem="test", build=build, widths=lambda _task: widths
    )


@pytest.mark.parametrize("wanted", [1, 2, 3, 100, 101, 9_000, 10_000, 12_345])
def test_the_nearest_of_all_widths_is_found(wanted: int) -> None:
    widths = range(1, 120)
    nearest = min(widths, key=lambda width: abs(width**2 - wanted))
    if abs(nearest**2 - wanted) > 0.25 * wanted:
        with pytest.raises(ConfigError):
            width_for(operator(widths), TASK, wanted)
    else:
        assert width_for(operator(widths), TASK, wanted) == nearest


@pytest.mark.parametrize(("wanted", "message"), [(4, "at width 4"), (400, "at width 16")])
def test_what_is_possible_is_said(wanted: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        width_for(operator([4, 8, 16]), TASK, wanted)
    assert "--match native" in str(error.value)


def test_a_quarter_off_is_near_enough() -> None:
    assert width_for(operator([10, 20]), TASK, 80) == 10
    with pytest.raises(ConfigError, match="has 100 parameters at width 10"):
        width_for(operator([10, 20]), TASK, 79)


def test_an_operator_of_one_size_fits_or_not() -> None:
    assert width_for(operator(), TASK, 90) is None
    with pytest.raises(ConfigError, match="comes in one size only"):
        width_for(operator(), TASK, 1000)


def test_nothing_much_larger_than_wanted_is_built() -> None:
    built: list[int] = []

    def build(task: GridTask, width: int | None) -> nn.Module:
        built.append(width or 0)
        return square(task, width)

    assert width_for(operator(range(1, 10_000), build), TASK, 10_000) == 100
    # twice the width that is wanted, which is four times the parameters
    assert max(built) <= 200
    assert len(built) <= 20


def test_complex_numbers_are_two() -> None:
    module = nn.Module()
    module.weight = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
    module.bias = nn.Parameter(torch.zeros(4))
    assert parameter_count(module) == 10


def test_constants_among_the_parameters_do_not_count() -> None:
    module = nn.Linear(3, 2)
    module.bias.requires_grad = False
    assert parameter_count(module) == 6
    # of what is fitted in closed form, everything is a constant to gradients
    module.weight.requires_grad = False
    assert parameter_count(module) == 8


def test_nothing_is_drawn_from_the_generator() -> None:
    def reads_a_value(task: GridTask, width: int | None) -> nn.Module:
        return square(task, int(torch.full((), float(width or 1)).item()))

    before = torch.random.get_rng_state()
    assert parameters_of(operator(build=reads_a_value), TASK, 7) == 49  # cannot be built on meta
    assert torch.equal(torch.random.get_rng_state(), before)


# the long waves have half of the weights in 2-D, fewer in 1-D, most in 3-D
@pytest.mark.parametrize(("ndim", "width"), [(1, 144), (2, 120), (3, 104)])
def test_wavelit_has_a_million_at_about_its_own_width(ndim: int, width: int) -> None:
    (record,) = [record for record in operators() if record.name == "waveliT"]
    task = GridTask(
        in_channels=3,
        out_channels=3,
        size=(64,) * ndim,
        boundary=("open",) * ndim,
        continues=True,
        fields=("u", "v", "p"),
    )
    assert width_for(record, task, 1_000_000) == width


@pytest.mark.host
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["FNO", "TFNO", "UNO"])
def test_the_host_counts_the_same(name: str) -> None:
    pytest.importorskip("neuralop")
    from neuralop.utils import count_model_params

    (record,) = [record for record in operators() if record.name == name]
    width = width_for(record, TASK, 1_000_000)
    count = count_model_params(record.build(TASK, width))
    assert count == parameters_of(record, TASK, width)
    assert abs(count - 1_000_000) < 100_000
