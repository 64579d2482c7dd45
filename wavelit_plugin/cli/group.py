"""The group of commands: loads one when it is called, and makes one line of our errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import click

from wavelit_plugin import __version__
from wavelit_plugin.cli.help import Group
from wavelit_plugin.cli.output import tell
from wavelit_plugin.errors import WavelitError
from wavelit_plugin.files import disk_error

COMMANDS: Mapping[str, str] = {
    "doctor": "wavelit_plugin.cli.doctor",
    "list": "wavelit_plugin.cli.list",
    "config": "wavelit_plugin.cli.config",
    "run": "wavelit_plugin.cli.run",
    "data": "wavelit_plugin.cli.data",
    "demo": "wavelit_plugin.cli.demo",
    "compare": "wavelit_plugin.cli.compare",
    "report": "wavelit_plugin.cli.report",
    "evaluate": "wavelit_plugin.cli.evaluate",
    "transfer": "wavelit_plugin.cli.transfer",
}
"""The module of each command; its function is called ``command``."""


class UserError(click.ClickException):
    """An error that the user can act on, shown in one line."""

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002  (click's signature)
        """Write one line to standard error."""
        tell(f"error: {self.format_message()}")


def user_error(error: OSError) -> UserError:
    """Return what the user is told of an error of the operating system."""
    place = os.fsdecode(error.filename) if error.filename else "standard output"
    return UserError(str(disk_error(Path(place), error)))


class LazyGroup(Group):
    """Commands that are imported when they are used: ``wavelit --help`` imports no torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names in the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's signature)
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command by name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours or of the file system becomes a UserError."""
        try:
            return super().invoke(ctx)
        except WavelitError as error:
            raise UserError(" ".join(str(error).split())) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of our output went away, which click ends quietly
            raise user_error(error) from error
        except (MemoryError, RuntimeError) as error:
            if _is_out_of_memory(error):
                told = " ".join(str(error).split("\n")[0].split())
                raise UserError(f"there is not enough memory; ask for less ({told})") from error
            raise


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()  # torch has a type of its own for GPUs only
    return isinstance(error, MemoryError) or any(
        words in said for words in ("out of memory", "not enough memory", "allocate memory")
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wavelit-plugin")
def wavelit() -> None:
    """WaveLiT, a small wavelet neural PDE solver, inside the trainers you already use."""
