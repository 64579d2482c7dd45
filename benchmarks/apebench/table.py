"""The finished runs as a table and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.apebench.protocol import PROBLEMS, RIVALS, WAVELIT, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEGIN, END = "<!-- results: apebench -->", "<!-- end of results: apebench -->"

_STYLES: Mapping[str, dict[str, Any]] = {
    WAVELIT: {"color": "black"},
    **{name: {"color": f"C{number}"} for number, name in enumerate(RIVALS)},
}

Cells = Mapping[tuple[str, str], list[Record]]


def publish(records: Sequence[Record], readme: Path, plot: Path) -> None:
    """Write the table between its markers in a file, and the plot."""
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), records), encoding="utf-8")
    figure_of(cells(records)).savefig(plot, dpi=150)


def with_table(text: str, records: Sequence[Record]) -> str:
    """Return a text with the table of the records between its markers."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{markdown(cells(records))}\n\n{END}{rest.split(END)[1]}"


def cells(records: Sequence[Record]) -> Cells:
    """Return the records of each problem and network; of ours those of their last size."""
    last = {(r["problem"], r["network"]): r["config"] for r in records if r["network"] == WAVELIT}
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        of = (record["problem"], record["network"])
        if record["config"] == last.get(of, record["config"]):
            found.setdefault(of, []).append(record)
    return found


def markdown(found: Cells) -> str:
    """Return means over the seeds of the geometric mean of steps 1-100, and the extremes."""
    names = (WAVELIT, *RIVALS)
    lines = ["| problem | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for problem in PROBLEMS:
        row = [_cell(found.get((problem, name), [])) for name in names]
        if any(row):
            lines.append(f"| {problem} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _cell(records: Sequence[Record]) -> str:
    if not records:
        return ""
    kept = (r["geometric_mean_nrmse_steps_1_100"] for r in records)
    errors = [math.inf if error is None else error for error in kept]
    text = f"{statistics.mean(errors):.3g}"
    if len(errors) == 1:
        return f"{text} (one seed)"
    return f"{text} ({len(errors)} seeds, {min(errors):.3g}-{max(errors):.3g})"


def figure_of(found: Cells) -> Figure:
    """Return the error of every step, one panel a problem, a line for each seed."""
    from matplotlib.figure import Figure

    problems = [p for p in PROBLEMS if any(problem == p for problem, _ in found)]
    figure = Figure(figsize=(3.2 * len(problems), 3.2), layout="constrained")
    panels = figure.subplots(1, len(problems), sharey=True, squeeze=False)[0]
    lines = {}
    for panel, problem in zip(panels, problems, strict=True):
        for name, style in _STYLES.items():
            for record in found.get((problem, name), []):
                errors = [math.nan if e is None else e for e in record["nrmse_by_step"]]
                steps = range(1, len(errors) + 1)
                lines[name] = panel.semilogy(steps, errors, linewidth=0.8, **style)[0]
        panel.set_title(problem, fontsize="medium")
        panel.set(xlabel="step", ylim=(1e-5, 2))
    panels[0].set_ylabel("mean nRMSE")
    shown = [name for name in _STYLES if name in lines]
    handles = [lines[name] for name in shown]
    figure.legend(handles, shown, loc="outside lower center", ncols=len(shown))
    return figure
