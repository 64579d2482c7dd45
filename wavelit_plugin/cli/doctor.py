"""``wavelit doctor``: what is installed, what is registered where, and what is not and why."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from wavelit_plugin.cli.output import show, show_json

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
        show_json(diagnosis.as_plain())
    else:
        _show(diagnosis)
    ctx.exit(0 if diagnosis.healthy else 1)


def _show(diagnosis: Diagnosis) -> None:
    for name, version in diagnosis.versions.items():
        show(f"{name:16} {version or 'not installed'}")
    show(f"\nautoload is {diagnosis.autoload}")
    for entry in diagnosis.entry_points:
        show(f"  entry point {entry}")
    for name, value in diagnosis.switches.items():
        show(f"  {name}={value}")
    for sentence in diagnosis.misread:
        show(f"  misread: {sentence}", {"misread": "red"})
    show(f"  {diagnosis.half_built}")
    for host, statuses in groupby(diagnosis.hosts, key=lambda status: status.host):
        registrations = list(statuses)
        first = registrations[0]
        found = first.installed or "not installed"
        show(f"\n{host}: {found}, supported {first.supported or 'any'}")
        for status in registrations:
            show(f"  {status.state}: {_told(status)}", {status.state: _COLOURS[status.state]})


def _told(status: HostStatus) -> str:
    what = status.watched
    if status.names:
        what += f" has {', '.join(status.names)}"
    if status.path:
        what += f" ({status.path})"
    if status.state == "pending" and not status.reason:
        return f"{what}, when it is imported"
    return f"{what}: {status.reason}" if status.reason else what
