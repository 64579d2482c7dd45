"""``wavelit demo``: WaveLiT against FNO on waves, in neuraloperator's own Trainer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wavelit_plugin.cli.output import show, show_json, show_table

_QUICK = "32x32 points, 4 trajectories, 10 steps: shows that everything works, not how well."


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--steps", type=int, default=400, show_default=True, help="Optimizer steps of each.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--quick", is_flag=True, help=_QUICK)
@click.option("--overwrite", is_flag=True, help="Replace the results of an earlier run.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
def command(
    *, out: Path, steps: int, seed: int, device: str, quick: bool, overwrite: bool, as_json: bool
) -> None:
    """Train WaveLiT and FNO on acoustic waves and compare them.

    Makes the data, trains both with neuraloperator's Trainer under one budget and seed, prints a
    table and writes results.json and rollout.png into the folder. About three minutes on two
    processor cores. A data set that is there already is used again.
    """
    from wavelit_plugin.cli.progress import progress_bars
    from wavelit_plugin.compare.demo import demo_request, run_demo

    request = demo_request(
        out=out, steps=steps, seed=seed, device=device, quick=quick, overwrite=overwrite
    )
    with progress_bars() as watch:
        report = run_demo(request, watch, command=("wavelit", *sys.argv[1:]))
    if as_json:
        show_json(report.as_plain())
        return
    from wavelit_plugin.compare.table import comparison_table

    show_table(comparison_table(report.results, request.budget))
    show(f"\nwrote {report.record} and {report.figure}")
