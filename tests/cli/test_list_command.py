"""``wavelit list``: what it shows is what can be used."""

import json
from typing import Any

import pytest

from wavelit_plugin.cli import main
from wavelit_plugin.cli.catalogue import catalogue, parameter_count
from wavelit_plugin.cli.list import KINDS
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import PRESETS, WaveLiT, WaveLiTConfig
from wavelit_plugin.wavelets import dwt


def listed(*arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, Any]]]:
    assert main(["list", *arguments, "--json"]) == 0
    found: dict[str, list[dict[str, Any]]] = json.loads(capsys.readouterr().out)
    return found


def test_all_kinds_are_listed_without_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuple(listed(capsys=capsys)) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_rows_with_the_same_columns(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (rows,) = listed(kind, capsys=capsys).values()
    assert rows
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert next(iter(rows[0])) == "name"


def test_the_count_without_allocation_is_the_count_of_the_model() -> None:
    config = WaveLiTConfig.preset("waveliT-1M", in_channels=3, out_channels=3)
    built = sum(parameter.numel() for parameter in WaveLiT(config).parameters())
    assert parameter_count("waveliT-1M") == built


def test_the_presets_are_those_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed("presets", capsys=capsys)["presets"]
    assert [row["name"] for row in rows] == list(PRESETS)


def test_every_preset_can_be_had_as_a_model() -> None:
    assert set(PRESETS) <= {row["name"] for row in catalogue("models")}


def test_a_listed_boundary_may_be_used_and_another_not(rng: Any) -> None:
    import torch

    u = torch.randn(1, 1, 16, generator=rng)
    rows = {row["name"]: row["boundaries"] for row in catalogue("wavelets")}
    assert rows["haar"] == ["periodic", "wall", "open"]
    assert rows["db4"] == ["periodic"]
    dwt(u, wavelet="db4", boundary="periodic")
    with pytest.raises(ConfigError, match="needs periodic axes"):
        dwt(u, wavelet="db4", boundary="wall")


@pytest.mark.parametrize("kind", ["presets", "problems"])
def test_the_table_shows_every_name(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list", kind]) == 0
    shown = capsys.readouterr().out
    assert all(str(row["name"]) in shown for row in catalogue(kind))


def test_an_unknown_kind_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'presets'"):
        catalogue("preset")
