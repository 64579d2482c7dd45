"""The errors: one family, also of Python's own kinds, and a hint that finds the nearest name."""

import pytest

from wavelit_plugin import errors
from wavelit_plugin.errors import (
    ConfigError,
    DataError,
    HostError,
    ShapeError,
    WavelitError,
    unknown_name,
)


def test_every_error_of_the_module_is_a_wavelit_error() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind for kind in kinds if issubclass(kind, Exception)}
    assert raised >= {ShapeError, ConfigError, DataError, HostError}
    assert all(issubclass(kind, WavelitError) for kind in raised)


@pytest.mark.parametrize("kind", [ShapeError, ConfigError, DataError])
def test_bad_values_are_also_value_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)


def test_a_missing_host_is_also_an_import_error() -> None:
    assert issubclass(HostError, ImportError)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("harr", "haar"), ("HAAR", "haar"), ("db44", "db4"), ("wavelit-1m", "waveliT-1M")],
)
def test_the_nearest_name_is_offered_in_its_own_spelling(name: str, nearest: str) -> None:
    error = unknown_name("thing", name, ["db2", "db4", "haar", "waveliT-1M"])
    assert isinstance(error, ConfigError)
    assert str(error) == (
        f"unknown thing {name!r}; did you mean {nearest!r}? Known: db2, db4, haar, waveliT-1M"
    )


def test_nothing_is_guessed_when_no_name_is_near() -> None:
    message = str(unknown_name("boundary", "zzz", iter(["wall", "open"])))
    assert message == "unknown boundary 'zzz'; Known: wall, open"
