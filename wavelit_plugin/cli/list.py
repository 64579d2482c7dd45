"""``wavelit list``: the names that can be used, and what is behind them."""

from __future__ import annotations

import click

from wavelit_plugin.cli.output import show, show_json, show_table
from wavelit_plugin.compare.text_table import TextTable

KINDS = ("models", "operators", "presets", "criteria", "wavelets", "hosts", "problems")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, kind: str | None, as_json: bool) -> None:
    """List the names of one KIND, or of all."""
    from wavelit_plugin.cli.catalogue import catalogue

    found = {name: catalogue(name) for name in ([kind] if kind else KINDS)}
    if as_json:
        show_json(found)
        return
    for name, rows in found.items():
        if name != next(iter(found)):
            show("")
        cells = tuple(tuple(map(_shown, row.values())) for row in rows)
        columns = tuple(rows[0]) if rows else ("none",)
        show_table(TextTable(title=name, columns=columns, rows=cells))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
