"""``wavelit data make``: simulate a problem and write it for a host."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wavelit_plugin.cli.interruption import resumable
from wavelit_plugin.cli.output import show, show_json

if TYPE_CHECKING:
    from wavelit_plugin.data import DataReport


@click.command("make")
@click.argument("problem")
@click.option("--host", required=True, help="Whose file format: see wavelit list hosts.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option("--size", type=int, default=64, show_default=True, help="Points an axis.")
@click.option("--trajectories", type=int, default=64, show_default=True, help="For training.")
@click.option(
    "--test-trajectories",
    type=int,
    help="Default: a quarter of the training ones; as many again to validate.",
)
@click.option("--frames", type=int, help="Stored frames of a trajectory, the first included.")
@click.option("--interval", type=float, help="Time between frames, in the problem's unit.")
@click.option("--boundary", help="Boundary condition: see wavelit list problems.")
@click.option("--medium", help="Family of media or initial states: see wavelit list problems.")
@click.option("--layout", help="One of the host's file layouts; default the first that fits.")
@click.option("--oversample", type=int, default=2, show_default=True, help="Finer simulation.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--dtype", default="float32", show_default=True, help="Of the simulation.")
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def make(*, as_json: bool, **options: Any) -> None:
    """Simulate PROBLEM and write the files of each split that the host has.

    A run that was stopped goes on where it was; a data set that is complete is left as it is.
    """
    from wavelit_plugin.cli.progress import progress_bars
    from wavelit_plugin.data import DataRequest, make_dataset

    request = DataRequest(**options)
    with resumable(request.out, "finished trajectories are"), progress_bars() as watch:
        report = make_dataset(request, watch)
    if as_json:
        show_json({**asdict(report), "folder": str(report.folder)})
    else:
        show(_as_text(report))


def _as_text(report: DataReport) -> str:
    lines = ["complete already, nothing was changed" if report.already_complete else "written"]
    counts = ", ".join(
        f"{report.trajectories[split]} {split} trajectories ({samples} samples)"
        for split, samples in report.samples.items()
    )
    change = ", ".join(f"{field} {value:.2f}" for field, value in report.frame_change.items())
    lines += [f"  {report.folder / name}" for name in report.files]
    lines += [f"{counts}; {report.bytes / 1e6:.1f} MB in {report.seconds:.1f} s"]
    if report.left_out:
        lines += [f"not in these files, for want of a place: {', '.join(report.left_out)}"]
    if change:
        lines += [f"change from frame to frame over standard deviation: {change}"]
    return "\n".join(lines)
