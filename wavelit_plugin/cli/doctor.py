"""``wavelit doctor``: what is installed, what is registered where, and what is not and why."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wavelit_plugin.autoload.records import HostStatus
    from wavelit_plugin.cli.diagnosis import Diagnosis

_COLOURS = {"applied": "green", "pending": "yellow", "skipped": "yellow", "failed": "red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Say what is installed and registered with which host, what is not, and why.

    The hosts are imported in a process of their own. The exit code is 1 if something failed, or
    an environment variable is not understood.
    """
    from wavelit_plugin.cli.diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        click.echo(json.dumps(diagnosis.as_plain(), indent=2))
    else:
        _show(diagnosis)
    ctx.exit(0 if diagnosis.healthy else 1)


def _show(diagnosis: Diagnosis) -> None:
    for name, version in diagnosis.versions.items():
        click.echo(f"{name:16} {version or 'not installed'}")
    click.echo(f"\nautoload is {diagnosis.autoload}")
    for entry in diagnosis.entry_points:
        click.echo(f"  entry point {entry}")
    for name, value in diagnosis.switches.items():
        click.echo(f"  {name}={value}")
    for sentence in diagnosis.misread:
        click.echo(f"  {click.style('misread', fg='red')}: {sentence}")
    click.echo(f"  {diagnosis.half_built}")
    for host, statuses in groupby(diagnosis.hosts, key=lambda status: status.host):
        registrations = list(statuses)
        first = registrations[0]
        found = first.installed or "not installed"
        click.echo(f"\n{host}: {found}, supported {first.supported or 'any'}")
        for status in registrations:
            click.echo(f"  {click.style(status.state, fg=_COLOURS[status.state])}: {_told(status)}")


def _told(status: HostStatus) -> str:
    what = status.watched
    if status.names:
        what += f" has {', '.join(status.names)}"
    if status.path:
        what += f" ({status.path})"
    if status.state == "pending" and not status.reason:
        return f"{what}, when it is imported"
    return f"{what}: {status.reason}" if status.reason else what
