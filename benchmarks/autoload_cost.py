"""What the entry point adds to ``import torch``: loading it and calling it, in new processes.

    python -m benchmarks.autoload_cost [--processes 25] [--quick]

Installs this package from a wheel and, apart from that, in editable form, each into a temporary
virtual environment that sees the packages of the running interpreter. In each it times, inside
``import torch``, our entry point and an empty one (a package that holds one empty function), in
turns, one new process a sample. The empty one shows what any entry point in the group
``torch.backends`` costs on this machine; the difference is what ours does with its turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.harness import write_results

REPOSITORY = Path(__file__).resolve().parents[1]
KINDS = ("wheel", "editable")
ENTRIES = ("wavelit", "empty")

# replaces EntryPoint.load: every entry but the one under test does nothing
PROBE = """
import importlib.metadata, json, sys, time
chosen, clock, result = sys.argv[1], time.perf_counter_ns, {}
load = importlib.metadata.EntryPoint.load

def timed(entry):
    if entry.name != chosen:
        return lambda: None
    before = set(sys.modules)
    start = clock()
    function = load(entry)
    loaded = clock()

    def call():
        called = clock()
        function()
        end = clock()
        result["load_us"] = (loaded - start) / 1e3
        result["call_us"] = (end - called) / 1e3
        result["added"] = sorted(set(sys.modules) - before)
    return call

importlib.metadata.EntryPoint.load = timed
start = clock()
import torch
result["torch_ms"] = (clock() - start) / 1e6
start = clock()
importlib.metadata.entry_points(group="wavelit.hosts")
result["scan_ms"] = (clock() - start) / 1e6
result["torch"] = torch.__version__
print(json.dumps(result))
"""


def make_environment(folder: Path, kind: str) -> Path:
    """Install this package as ``kind`` and the empty entry point; return the interpreter."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        _run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    )
    (site / "zz_base.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    install += ["--ignore-installed", "--disable-pip-version-check"]
    if all(find_spec(needed) for needed in ("hatchling", "editables")):
        install.append("--no-build-isolation")  # needs no network
    _run([*install, *(["--editable"] if kind == "editable" else []), REPOSITORY])
    _add_empty_entry(site)
    _run([python, "-m", "compileall", "-q", site / "empty_entry"])
    return python


def sample(python: Path, entry: str) -> dict[str, Any]:
    """Time one entry point in one new process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else it is compiled anew in each process
    return json.loads(_run([python, "-c", PROBE, entry], environment))


def measure(python: Path, processes: int) -> dict[str, Any]:
    """Return medians and quartiles in microseconds, ours and the empty one taken in turns."""
    for entry in ENTRIES:
        sample(python, entry)  # bytecode and disk cache
    taken: dict[str, list[dict[str, Any]]] = {entry: [] for entry in ENTRIES}
    for _ in range(processes):
        for entry in ENTRIES:
            taken[entry].append(sample(python, entry))
    result = {entry: _summary(samples) for entry, samples in taken.items()}
    ours, empty = (result[entry]["total_us"]["median"] for entry in ENTRIES)
    every = [one for samples in taken.values() for one in samples]
    torch_ms = statistics.median(one["torch_ms"] for one in every)
    return {
        **result,
        "difference_us": ours - empty,
        "ratio_to_empty": ours / empty,
        "import_torch_ms": torch_ms,
        "ratio_to_import_torch": ours / 1e3 / torch_ms,
        "scan_ms": statistics.median(one["scan_ms"] for one in every),
        "torch": every[0]["torch"],
    }


def _summary(samples: list[dict[str, Any]]) -> dict[str, Any]:
    totals = [one["load_us"] + one["call_us"] for one in samples]
    low, median, high = statistics.quantiles(totals, n=4)
    return {
        "total_us": {"median": median, "quartiles": [low, high], "least": min(totals)},
        "load_us": statistics.median(one["load_us"] for one in samples),
        "call_us": statistics.median(one["call_us"] for one in samples),
        "modules_added": samples[0]["added"],
    }


def _add_empty_entry(site: Path) -> None:
    package, facts = "empty_entry", "empty_entry-1.0.dist-info"
    files = {
        f"{package}/__init__.py": "def enter():\n    pass\n",
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
        f"{facts}/entry_points.txt": f"[torch.backends]\nempty = {package}:enter\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")


def _run(command: list[Any], environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd=tempfile.gettempdir(),  # not a checkout's folder, whose modules would be found first
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout


def _table(results: dict[str, Any]) -> str:
    lines = [f"{'':10}{'ours':>10}{'empty':>10}{'more':>10}{'of import torch':>18}  modules added"]
    for kind in KINDS:
        one = results[kind]
        ours, empty = (one[entry]["total_us"]["median"] for entry in ENTRIES)
        share = one["ratio_to_import_torch"]
        lines.append(
            f"{kind:10}{ours:7.0f} us{empty:7.0f} us{ours - empty:7.0f} us{share:18.4%}"
            f"  {' '.join(one['wavelit']['modules_added'])}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=25, help="samples of each, at least 20")
    parser.add_argument("--quick", action="store_true", help="three samples, nothing saved")
    options = parser.parse_args()
    if options.processes < 2:
        parser.error(f"--processes must be at least 2, got {options.processes}")
    processes = 3 if options.quick else options.processes
    results: dict[str, Any] = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            results[kind] = measure(make_environment(Path(folder), kind), processes)
    print(_table(results))
    if not options.quick:
        rows = [_record(kind, results[kind]) for kind in KINDS]
        settings = {"processes_count": processes}
        packages = ("torch", "wavelit-plugin")
        print(
            write_results(
                "autoload-cost", "cpu", packages=packages, settings=settings, records=rows
            )
        )


def _record(kind: str, found: dict[str, Any]) -> dict[str, object]:
    ours, empty = (found[entry]["total_us"] for entry in ENTRIES)
    return {
        "installation": kind,
        "ours_median_seconds": ours["median"] / 1e6,
        "ours_quartiles_seconds": [each / 1e6 for each in ours["quartiles"]],
        "empty_median_seconds": empty["median"] / 1e6,
        "empty_quartiles_seconds": [each / 1e6 for each in empty["quartiles"]],
        "difference_seconds": found["difference_us"] / 1e6,
        "import_torch_seconds": found["import_torch_ms"] / 1e3,
        "ours_over_import_torch_ratio": found["ratio_to_import_torch"],
        "modules_added": found["wavelit"]["modules_added"],
    }


if __name__ == "__main__":
    main()
