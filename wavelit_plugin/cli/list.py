"""``wavelit list``: the names that can be used, and what is behind them."""

from __future__ import annotations

import json

import click

KINDS = ("models", "operators", "presets", "criteria", "wavelets", "hosts", "problems")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, kind: str | None, as_json: bool) -> None:
    """List the names of one KIND, or of all."""
    from wavelit_plugin.cli.catalogue import catalogue

    found = {name: catalogue(name) for name in ([kind] if kind else KINDS)}
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    for name, rows in found.items():
        table = Table(title=name, title_justify="left")
        for column in rows[0] if rows else ():
            # what is typed must be legible in a narrow terminal
            table.add_column(column, no_wrap=column == "name")
        for row in rows:
            table.add_row(*(_shown(value) for value in row.values()))
        Console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
