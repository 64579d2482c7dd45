"""Everything that the figures and tables of a report are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from wavelit_plugin.compare.report.measures import Ranking, measures, ranking
from wavelit_plugin.compare.report.palette import Look, looks
from wavelit_plugin.compare.runs import Comparison, Row, load_comparison, rows, samples_path
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import load_tensors


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A comparison, seen as a report sees it.

    Attributes:
        folder: what it was loaded from.
        comparison: plan and runs.
        rows: one an operator that has runs, in the order of the plan.
        rankings: by each measure; the first one orders tables and figures.
        looks: colour and marker of every label.
    """

    folder: Path
    comparison: Comparison
    rows: tuple[Row, ...]
    rankings: tuple[Ranking, ...]
    looks: Mapping[str, Look]

    @property
    def plan(self) -> Mapping[str, Any]:
        """The content of ``plan.json``."""
        return self.comparison.plan

    @property
    def static(self) -> bool:
        """Whether there are inputs and outputs but no time steps."""
        return all(row.rollout is None for row in self.rows)

    @property
    def order(self) -> tuple[Row, ...]:
        """The rows, best first."""
        return self.rankings[0].order

    @property
    def trained(self) -> tuple[Row, ...]:
        """Those that were trained step by step, best first."""
        return tuple(row for row in self.order if row.trained)

    @property
    def shortened(self) -> Mapping[str, str]:
        """Names for figures: without the ecosystem where they stay different."""
        return short_names([row.label for row in self.rows])

    @cached_property
    def samples(self) -> Mapping[str, Mapping[str, Any]]:
        """Predicted fields of seed 0 by label, best operator first; see ``samples_path``."""
        paths = {
            row.label: samples_path(self.folder, row.label, row.learning_rate) for row in self.order
        }
        return {label: _load(path) for label, path in paths.items() if path.is_file()}


def load_scene(folder: Path) -> Scene:
    """Read a folder of ``wavelit compare``.

    Raises:
        DataError: it holds no comparison, or no run is finished.
    """
    comparison = load_comparison(folder)
    found = rows(comparison)
    if not found:
        raise DataError(f"{folder} holds no finished run yet; wait for one, then ask again")
    return Scene(
        folder=folder,
        comparison=comparison,
        rows=found,
        rankings=tuple(ranking(measure, found) for measure in measures(found)),
        looks=looks(found),
    )


def short_names(labels: Sequence[str]) -> dict[str, str]:
    """Return each label without what stands before its last slash, where no two become equal.

    >>> short_names(["FNO", "the_well/UNet", "the_well/FNO"])
    {'FNO': 'FNO', 'the_well/UNet': 'UNet', 'the_well/FNO': 'the_well/FNO'}
    """
    ends = [label.rpartition("/")[2] for label in labels]
    return {
        label: end if ends.count(end) == 1 else label
        for label, end in zip(labels, ends, strict=True)
    }


def _load(path: Path) -> Mapping[str, Any]:
    held = load_tensors(path, advice="delete it and make the run again")
    fields = {name: part for name, part in held.items() if isinstance(part, Tensor)}
    return {**held, **{name: part.float() for name, part in fields.items()}}
