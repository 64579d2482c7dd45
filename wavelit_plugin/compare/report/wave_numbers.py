"""Axes of energy over wave number, both logarithmic, and the truth in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wavelit_plugin.compare.report.canvas import MUTED_TEXT, log_axis, log_limits
from wavelit_plugin.compare.report.numbers import count_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[float, float]]
"""Wave numbers and energies, both above 0."""

FLOOR = 1e-7
"""Of the largest energy; what lies below is rounding."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def set_wave_axes(ax: Axes, lines: Sequence[Points], *, of: str) -> None:
    """Make room for all lines; ``of`` is what the upper axis counts."""
    points = [point for line in lines for point in line] or [(1.0, 1.0)]
    low, high = log_limits([y for _, y in points])
    log_axis(ax.xaxis, count_text, *log_limits([x for x, _ in points], margin=1.0))
    log_axis(ax.yaxis, _power, max(low, FLOOR * high), high)
    ax.set_xlabel("waves across the domain")
    ax.set_ylabel(of)


def draw_truth(ax: Axes, truth: Points) -> None:
    """Draw the truth under the others, and wide, so that it is seen where they are right."""
    ax.plot([x for x, _ in truth], [y for _, y in truth], color=MUTED_TEXT, lw=5, alpha=0.45)


def _power(value: float) -> str:
    """Write 0.01 to 100 plainly and anything else as a power of ten."""
    if 0.0005 < value < 500:
        return f"{value:g}"
    digit, _, power = f"{value:.0e}".partition("e")
    raised = str(int(power)).translate(_RAISED)
    return f"10{raised}" if digit == "1" else f"{digit}·10{raised}"
