"""One colour, marker and dash an operator, the same in every figure and table.

The colours are told apart with protanopia and deuteranopia too, on white and on dark ground; beyond
six operators they repeat with another marker and dash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wavelit_plugin.compare.runs import Row

INK, MUTED, GRID = "#1c2530", "#5d6875", "#dfe4ea"

LIGHT: Mapping[str, str] = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "accent": "#c8400a",
    "blue": "#1b4f9c",
    "teal": "#0f8f72",
    "plum": "#a0408f",
    "sky": "#2f92c4",
    "sand": "#b98a00",
    "quiet": "#75808c",
}
"""What figures are drawn with; in the page each becomes a variable of its name."""

DARK: Mapping[str, str] = {
    "ink": "#e6eaef",
    "muted": "#9aa6b2",
    "grid": "#2c343d",
    "accent": "#ff7f3f",
    "blue": "#5b8def",
    "teal": "#35c79c",
    "plum": "#d977c4",
    "sky": "#9adcff",
    "sand": "#f2d26b",
    "quiet": "#87929d",
}

_ACCENT, _QUIET = "accent", "quiet"
_OTHERS = ("blue", "teal", "plum", "sky", "sand")
_MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 1.5), (1.2, 1.2), (6, 1.5, 1.2, 1.5))
_QUIET_DASHES: tuple[tuple[float, ...], ...] = ((5, 2), (1.5, 1.5))


@dataclass(frozen=True, kw_only=True)
class Look:
    """How an operator is drawn.

    Attributes:
        name: of its colour.
        marker: of its points.
        dash: of its lines, on and off in line widths; () is solid.
        bold: whether it stands out.
    """

    name: str
    marker: str
    dash: tuple[float, ...] = ()
    bold: bool = False

    @property
    def colour(self) -> str:
        """Its colour on light ground."""
        return LIGHT[self.name]

    @property
    def line(self) -> dict[str, Any]:
        """What matplotlib draws its lines with."""
        style: object = (0, self.dash) if self.dash else "-"
        width = 2.4 if self.bold else 1.5
        return {"color": self.colour, "linewidth": width, "linestyle": style}


def looks(rows: Sequence[Row]) -> dict[str, Look]:
    """Return the look of every label: ours stands out, what is not trained stays in the ground."""
    ours = [row.label for row in rows if row.operator.lower().startswith("wavelit")]
    trained = [row.label for row in rows if row.trained and row.label not in ours[:1]]
    quiet = [row.label for row in rows if not row.trained and row.label not in ours[:1]]
    found = {label: Look(name=_ACCENT, marker="o", bold=True) for label in ours[:1]}
    for index, label in enumerate(trained):
        found[label] = Look(
            name=_OTHERS[index % len(_OTHERS)],
            marker=_MARKERS[(index + 1) % len(_MARKERS)],
            dash=_DASHES[index // len(_OTHERS) % len(_DASHES)],
            bold=label in ours,
        )
    for index, label in enumerate(quiet):
        dash = _QUIET_DASHES[index % len(_QUIET_DASHES)]
        found[label] = Look(name=_QUIET, marker="d", dash=dash)
    return {row.label: found[row.label] for row in rows}
