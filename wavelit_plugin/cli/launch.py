"""Run somebody's script as ``python SCRIPT ARGS...`` would, after registering with the hosts."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from wavelit_plugin.autoload.switches import CRITERION
from wavelit_plugin.errors import ConfigError


def prepare(script: Path, criterion: str | None) -> None:
    """Check the script, ask for the criterion in this process and its children, and register.

    Raises:
        ConfigError: no such file, or an unknown criterion, also in WAVELIT_CRITERION.
    """
    if not script.is_file():
        kind = "is a folder" if script.is_dir() else "does not exist"
        raise ConfigError(f"the script {str(script)!r} {kind}; give the path of a Python file")
    from wavelit_plugin.plugins import activate, find_criterion

    asked = os.environ.get(CRITERION) or None if criterion is None else criterion
    if asked is not None:
        find_criterion(asked)  # before the script, which may take long to get there
        os.environ[CRITERION] = asked
    activate()


def run_script(script: Path, arguments: Sequence[str]) -> None:
    """Run the script as ``__main__``, with ``sys.argv`` and ``sys.path`` as python sets them."""
    # absolute, as python makes __file__; runpy makes argv[0] the same
    path = str(script.absolute())
    sys.argv = [path, *arguments]
    # as python: the folder of the script itself, not of a link to it, and none in safe-path mode
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = str(script.resolve().parent)
    runpy.run_path(path, run_name="__main__")
