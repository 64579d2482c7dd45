"""``wavelit config``: what to write or type so that a host trains a WaveLiT."""

from __future__ import annotations

import click

from wavelit_plugin.cli.output import show_verbatim
from wavelit_plugin.cli.snippets import snippets


@click.command("config")
@click.argument("host")
@click.option(
    "--model", default="waveliT", show_default=True, help="A name of wavelit list models."
)
def command(*, host: str, model: str) -> None:
    """Print ready snippets for HOST: commands and configuration files."""
    for name, text in snippets(host, model).items():
        show_verbatim(f"{click.style(f'# ---- {name}', bold=True)}\n{text.rstrip()}\n")
