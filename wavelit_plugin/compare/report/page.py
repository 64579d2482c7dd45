"""The page: sections of pictures and tables, in one file that asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from wavelit_plugin.compare.report import facts
from wavelit_plugin.compare.report.measures import Ranking
from wavelit_plugin.compare.report.numbers import bytes_text, estimate_text, seconds_text
from wavelit_plugin.compare.report.palette import DARK, LIGHT
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.sentences import headline, listed, remarks
from wavelit_plugin.compare.report.tables import (
    Table,
    cost_table,
    field_table,
    ranking_table,
    rate_table,
)
from wavelit_plugin.compare.report.vector import Rendered
from wavelit_plugin.compare.runs import Row


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        title: its heading.
        lead: what it answers.
        pictures: shown side by side where there is room.
        tables: below them.
    """

    title: str
    lead: str
    pictures: tuple[Rendered, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Who is best at one thing."""

    what: str
    who: str
    value: str
    look: str


def sections(scene: Scene, pictures: Mapping[str, Sequence[Rendered]]) -> tuple[Section, ...]:
    """Return the parts of the page that have anything to show.

    Args:
        scene: the comparison.
        pictures: by the names of ``figures.DRAWERS``.
    """
    found = (
        Section(
            title="Ranking",
            lead="Who is better, and how sure is that?",
            pictures=tuple(pictures["ranking"]),
            tables=_there(ranking_table(scene), field_table(scene)),
        ),
        Section(
            title="Samples",
            lead="What do the predictions look like, and where are they wrong?",
            pictures=tuple(pictures["frames"]),
        ),
        Section(
            title="Long times",
            lead="How fast do errors grow when predictions are fed back?",
            pictures=tuple(pictures["rollouts"]),
        ),
        Section(
            title="Scales",
            lead="Which scales are right, and which are lost?",
            pictures=tuple(pictures["spectra"]),
        ),
        Section(
            title="Costs",
            lead="What does the accuracy cost?",
            pictures=tuple(pictures["costs"]),
            tables=_there(cost_table(scene)),
        ),
        Section(
            title="Training",
            lead="Did everyone get a fair chance?",
            pictures=tuple(pictures["training"]),
            tables=_there(rate_table(scene)),
        ),
    )
    return tuple(section for section in found if section.pictures or section.tables)


def page(scene: Scene, pictures: Mapping[str, Sequence[Rendered]]) -> str:
    """Return the page as HTML; everything that comes from records is escaped."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["tight"] = _tight
    here = files(__package__)
    template = environment.from_string(here.joinpath("page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        title=f"Operators on {facts.data_name(scene.plan)}",
        headline=headline(scene.rankings),
        remarks=remarks(scene.rankings, scene.plan),
        chips=facts.chips(scene.plan),
        tiles=tiles(scene),
        sections=sections(scene, pictures),
        looks=scene.looks,
        groups=facts.groups(scene.plan),
        commands=facts.commands(scene.plan),
        style=here.joinpath("page.css").read_text(encoding="utf-8"),
        light=LIGHT,
        dark=DARK,
    )


def tiles(scene: Scene) -> tuple[Tile, ...]:
    """Return who is best at each measure, and who of those trained is cheapest."""
    if len(scene.rows) < 2:
        return ()
    ranked = [_error_tile(scene, ranking) for ranking in scene.rankings if ranking.finite]
    fast = _cost_tile(scene, "fastest inference", "inference_seconds", seconds_text, " a sample")
    small = _cost_tile(scene, "least memory in training", "peak_bytes", bytes_text, "")
    return (*ranked, *_there(fast, small))


def _error_tile(scene: Scene, ranking: Ranking) -> Tile:
    values = [estimate_text(ranking.measure.of(row)) for row in ranking.best]
    value = f"{ranking.measure.unit} {listed(values)}"
    return _tile(scene, f"lowest {ranking.measure.title}", ranking.best, value)


def _cost_tile(scene: Scene, what: str, name: str, text: Any, unit: str) -> Tile | None:
    known = [row for row in scene.trained if getattr(row, name) is not None]
    if len(known) < 2:
        return None
    least = min(getattr(row, name) for row in known)
    best = [row for row in known if getattr(row, name) == least]
    return _tile(scene, what, best, f"{text(least)}{unit}")


def _tile(scene: Scene, what: str, best: Sequence[Row], value: str) -> Tile:
    names = [row.label for row in best]
    tie = " (tie)" if len(names) > 1 else ""
    return Tile(
        what=f"{what}{tie}", who=listed(names), value=value, look=scene.looks[names[0]].name
    )


def _tight(text: str) -> str:
    """Keep a number together with what belongs to it."""
    for part in ("± ", " ±", " %"):
        text = text.replace(part, part.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def _there(*things: Any) -> tuple[Any, ...]:
    return tuple(thing for thing in things if thing is not None)
