"""What The Well would replace silently is reported, with its place."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.hosts.the_well.samples import FiniteSamples

METADATA = SimpleNamespace(
    dataset=SimpleNamespace(files_paths=["a.hdf5", "b.hdf5"]),
    file_idx=1,
    sample_idx=4,
    time_idx=10,
    time_stride=2,
)


def sample(value: float = 0.0, *, kind: str = "variable_fields") -> dict[str, Any]:
    frames, speed = torch.zeros(3, 4, 4), torch.zeros(4, 4)
    if kind == "variable_fields":
        frames[2, 1, 3] = value
    else:
        speed[1, 3] = value
    return {
        "variable_fields": {0: {"pressure": frames}, 1: {"velocity": torch.zeros(3, 4, 4, 2)}},
        "constant_fields": {0: {"speed": speed}, 1: {}},
    }


def test_a_finite_sample_stays_as_it_is() -> None:
    data = sample()
    assert FiniteSamples()(data, METADATA) is data


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_field_that_varies_is_refused_with_its_frame(value: float) -> None:
    with pytest.raises(DataError) as raised:
        FiniteSamples()(sample(value), METADATA)
    assert str(raised.value).startswith(
        "b.hdf5 holds 1 NaN or infinite values of pressure in a sample, the first in trajectory 4, "
        "frame 14 (counted from 0)"
    )


def test_a_constant_field_has_no_frame() -> None:
    with pytest.raises(DataError, match=r"of speed .* in trajectory 4 \(counted"):
        FiniteSamples()(sample(math.nan, kind="constant_fields"), METADATA)


def test_where_it_is_meant_there_is_one_warning_a_file_and_field() -> None:
    transform, data = FiniteSamples(on_nan="warn"), sample(math.nan)
    with pytest.warns(UserWarning, match=r"of pressure .* is that meant\?"):
        assert transform(data, METADATA) is data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transform(data, METADATA)
    with pytest.warns(UserWarning, match="of speed"):
        transform(sample(math.nan, kind="constant_fields"), METADATA)
    with pytest.warns(UserWarning, match=r"a\.hdf5"):
        transform(data, SimpleNamespace(**{**vars(METADATA), "file_idx": 0}))


def test_another_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown on_nan 'wran'; did you mean 'warn'"):
        FiniteSamples(on_nan="wran")
