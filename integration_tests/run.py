"""Run the integration tests of hosts, each host against its real package and checkout.

    python integration_tests/run.py                        what this interpreter has, skip the rest
    python integration_tests/run.py --host neuraloperator  that host, or fail
    python integration_tests/run.py --host pdearena        likewise, in an environment of its own
    python integration_tests/run.py --host NAME --own-environment

A host is a folder beside this file. Asking for one by name makes its absence, or that of its
checkout, a failure instead of a skip. With --own-environment, and always when it is asked for by
name and has a constraints.txt of its own, its tests run in a virtual environment of its own. That
is made from the extra of the same name and kept, keyed by the hash of what it was made from, in
the folder that WAVELIT_ENVIRONMENTS names (default ~/.cache/wavelit-envs).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def hosts() -> list[str]:
    """Return the hosts that have integration tests."""
    return sorted(path.parent.name for path in HERE.glob("*/conftest.py"))


def has_constraints(host: str) -> bool:
    """Whether the host needs versions that the repository's own environment does not have."""
    return (HERE / host / "constraints.txt").is_file()


def constraints(host: str) -> Path:
    """Return the host's own constraints file, or the repository's."""
    return (HERE / host if has_constraints(host) else ROOT) / "constraints.txt"


def own_interpreter(host: str) -> str:
    """Return the interpreter of the host's environment, made when it is not there yet."""
    sources = (ROOT / "pyproject.toml", constraints(host))
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    default = Path.home() / ".cache" / "wavelit-envs"
    folder = Path(os.environ.get("WAVELIT_ENVIRONMENTS", default)) / f"{host}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        venv.create(folder, with_pip=True, clear=True)
        # older releases of pip do not know that the underscore of a name stands for a hyphen
        extra = host.replace("_", "-")
        wanted = ["-c", str(constraints(host)), f"{ROOT}[{extra},dev]"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        (folder / "complete").touch()
    # the package itself may have changed since; the extra dev holds what builds it
    ours = ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *ours], check=True)
    return str(python)


def main() -> int:
    """Run pytest on the chosen hosts and return its exit code, the worst of several."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", action="append", choices=hosts(), help="ask for it by name")
    parser.add_argument("--own-environment", action="store_true", help="for all of these hosts")
    options, rest = parser.parse_known_args()
    asked = options.host or []
    worst = 0
    for host in asked or hosts():
        own = options.own_environment or (host in asked and has_constraints(host))
        python = own_interpreter(host) if own else sys.executable
        workers = ["-n", "auto"] if own else []  # where pytest-xdist is known to be
        environment = {**os.environ, "WAVELIT_REQUIRED_HOSTS": ",".join(asked)}
        command = [python, "-m", "pytest", str(HERE / host), *workers, *rest]
        worst = max(
            worst, subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        )
    return worst


if __name__ == "__main__":
    sys.exit(main())
