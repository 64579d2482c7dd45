"""``wavelit report``: pictures, tables and a page of what ``wavelit compare`` measured."""

from __future__ import annotations

from pathlib import Path

import click

from wavelit_plugin.cli.output import show, show_json


@click.command("report")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, folder: Path, as_json: bool) -> None:
    """Write the report of the comparison in FOLDER, finished or not.

    FOLDER is the --out of wavelit compare. It gets report.html, which needs no other file and no
    network, figures/ with every picture as PNG and SVG, table.csv and results.json.
    """
    from wavelit_plugin.compare.report import write_report

    report = write_report(folder)
    if as_json:
        show_json(report.as_plain())
        return
    written = f"wrote {report.page} and {len(report.figures)} figures beside it"
    show("\n".join([report.headline, *report.remarks, written]))
