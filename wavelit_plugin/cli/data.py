"""``wavelit data``: data sets without a network."""

import click

from wavelit_plugin.cli.data_make import make
from wavelit_plugin.cli.help import Group


@click.group("data", cls=Group)
def command() -> None:
    """Make training data in a host's own file format, from small PDE solvers."""


command.add_command(make)
