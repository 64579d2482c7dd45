"""The finished runs as a table and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.apebench.protocol import OURS, PROBLEMS, PYRAMID, RIVALS, WAVELIT, Record

BEGIN, END = "<!-- results: apebench -->", "<!-- end of results: apebench -->"

_COLOURS = {WAVELIT: "black", PYRAMID: "red"}

Cells = Mapping[tuple[str, str], list[Record]]


def publish(records: Sequence[Record], readme: Path, plot: Path) -> None:
    """Write the table between its markers in a file, and the plot."""
    readme.write_text(with_table(readme.read_text(encoding="utf-8"), records), encoding="utf-8")
    draw(cells(records), plot)


def with_table(text: str, records: Sequence[Record]) -> str:
    """Return a text with the table of the records between its markers."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{markdown(cells(records))}\n\n{END}{rest.split(END)[1]}"


def cells(records: Sequence[Record]) -> Cells:
    """Return the records of each problem and network; of ours those of their last size."""
    last = {(r["problem"], r["network"]): r["config"] for r in records if r["network"] in OURS}
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        of = (record["problem"], record["network"])
        if record["config"] == last.get(of, record["config"]):
            found.setdefault(of, []).append(record)
    return found


def markdown(found: Cells) -> str:
    """Return means over the seeds of the geometric mean of steps 1-100, and the extremes."""
    names = (*OURS, *RIVALS)
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


def draw(found: Cells, path: Path) -> None:
    """Write the error of every step, one panel a problem, the seeds as thin lines."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    problems = [p for p in PROBLEMS if any(problem == p for problem, _ in found)]
    figure, panels = plt.subplots(
        1, len(problems), figsize=(3.2 * len(problems), 3.2), squeeze=False, layout="constrained"
    )
    for panel, problem in zip(panels[0], problems, strict=True):
        for colour, name in enumerate((*OURS, *RIVALS)):
            for seed, record in enumerate(found.get((problem, name), [])):
                errors = [math.nan if e is None else e for e in record["nrmse_by_step"]]
                panel.semilogy(
                    range(1, len(errors) + 1),
                    errors,
                    color=_COLOURS.get(name, f"C{colour}"),
                    linewidth=0.8,
                    label=name if seed == 0 else None,
                )
        panel.set(title=problem, xlabel="step", ylim=(1e-4, 2))
    panels[0][0].set_ylabel("mean nRMSE")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(path, dpi=150)
    plt.close(figure)
