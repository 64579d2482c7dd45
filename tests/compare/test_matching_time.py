"""The width whose training step takes as long as the reference's."""

from dataclasses import replace

import pytest

from wavelit_plugin.compare.grid_data import task_of
from wavelit_plugin.compare.widths import width_of_time
from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import OperatorRecord


@pytest.mark.parametrize("target", [1, 2, 5, 16, 31, 32])
def test_the_width_of_a_time_is_found_without_trying_much_larger_ones(
    target: int, tiny_operators: dict[str, OperatorRecord], wave_data: GridData
) -> None:
    tried: list[int] = []

    def seconds(_: OperatorRecord, width: int | None) -> float:
        tried.append(width or 0)
        return (width or 0) / target

    found = width_of_time(tiny_operators["tiny"], task_of(wave_data), seconds)
    assert found == target
    assert max(tried) <= max(3, 2 * target)
    assert len(tried) == len(set(tried))


def test_a_time_that_no_width_takes_is_refused(
    tiny_operators: dict[str, OperatorRecord], wave_data: GridData
) -> None:
    task, tiny = task_of(wave_data), tiny_operators["tiny"]
    with pytest.raises(ConfigError, match=r"no width of tiny .* 32 takes 0\.32 times as long"):
        width_of_time(tiny, task, lambda _, width: (width or 0) / 100)
    with pytest.raises(ConfigError, match="tiny comes in one size"):
        width_of_time(replace(tiny, widths=lambda _: ()), task, lambda *_: 1.0)
