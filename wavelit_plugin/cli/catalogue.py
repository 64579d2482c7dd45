"""The names that can be used, as rows of plain values for ``wavelit list``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from wavelit_plugin.errors import unknown_name

Row = dict[str, object]


def catalogue(kind: str) -> list[Row]:
    """Return the rows of one kind; all have the same columns, the name first.

    Raises:
        ConfigError: an unknown kind, with the nearest name.
    """
    if kind not in CATALOGUES:
        raise unknown_name("kind", kind, CATALOGUES)
    return CATALOGUES[kind]()


def models() -> list[Row]:
    """Models that plugins provide, this one's included."""
    from wavelit_plugin.plugins import models as records

    return [{"name": record.name, "summary": record.summary} for record in records()]


def criteria() -> list[Row]:
    """Criteria that can be added to a host's loss."""
    from wavelit_plugin.plugins import criteria as records

    return [{"name": record.name, "summary": record.summary} for record in records()]


def operators() -> list[Row]:
    """Operators that can be compared, and why one cannot be here."""
    from wavelit_plugin.plugins import operators as records

    return [
        {
            "name": record.name,
            "ecosystem": record.ecosystem,
            "summary": record.summary,
            # what to do about it would fill the table; the comparison says it
            "available": (record.missing() or "yes").partition(";")[0],
        }
        for record in records()
    ]


def presets() -> list[Row]:
    """Presets and their knobs; parameters in two dimensions with three fields."""
    from wavelit_plugin.model import PRESETS

    return [
        {"name": name, "parameters": parameter_count(name), **PRESETS[name]} for name in PRESETS
    ]


@cache
def parameter_count(preset: str) -> int:
    """Return the parameters of a preset in two dimensions, three fields in and out."""
    import torch

    from wavelit_plugin.model import WaveLiT, WaveLiTConfig

    config = WaveLiTConfig.preset(preset, in_channels=3, out_channels=3)
    with torch.device("meta"):  # shapes only: nothing is allocated or drawn
        return sum(parameter.numel() for parameter in WaveLiT(config).parameters())


def wavelets() -> list[Row]:
    """Wavelets and the boundaries that each may be used with."""
    from wavelit_plugin.errors import ConfigError
    from wavelit_plugin.shapes import BOUNDARIES, Boundary
    from wavelit_plugin.wavelets import check_wavelet, wavelet_names

    def allowed(name: str, boundary: Boundary) -> bool:
        try:
            check_wavelet(name, (boundary,))
        except ConfigError:
            return False
        return True

    return [
        {
            "name": name,
            "boundaries": [boundary for boundary in BOUNDARIES if allowed(name, boundary)],
        }
        for name in wavelet_names()
    ]


def hosts() -> list[Row]:
    """Hosts, the versions that are installed and supported, and what is watched in each."""
    from wavelit_plugin.plugins import report

    rows: dict[str, Row] = {}
    for status in report():
        facts = {"installed": status.installed, "supported": status.supported or "any"}
        row = rows.setdefault(status.host, {"name": status.host, **facts})
        row["watched"] = ", ".join(filter(None, (str(row.get("watched", "")), status.watched)))
    return list(rows.values())


def problems() -> list[Row]:
    """Problems that ``wavelit data make`` knows, and what each may be asked for."""
    from wavelit_plugin.data import PROBLEMS

    return [
        {
            "name": problem.name,
            "summary": problem.summary,
            "fields": list(problem.fields),
            "constants": list(problem.constants),
            "parameters": list(problem.parameters),
            "boundaries": list(problem.boundaries),
            "media": list(problem.media),
        }
        for problem in PROBLEMS.values()
    ]


CATALOGUES: Mapping[str, Callable[[], list[Row]]] = MappingProxyType(
    {
        "models": models,
        "operators": operators,
        "presets": presets,
        "criteria": criteria,
        "wavelets": wavelets,
        "hosts": hosts,
        "problems": problems,
    }
)
"""What can be listed, in the order in which all of it is shown."""


def model_names() -> list[str]:
    """Return the names of all models."""
    return [str(row["name"]) for row in models()]
