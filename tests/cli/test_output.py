"""What commands print can be read and piped: in every encoding, at every width, words whole.

Processes of their own, on a pseudo-terminal where a terminal matters.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import runpy
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from wavelit_plugin.cli.catalogue import CATALOGUES, catalogue
from wavelit_plugin.cli.group import COMMANDS
from wavelit_plugin.cli.group import wavelit as group
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins import find_configs

MADE = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "compare" / "made_up_comparison.py"))
)
MODEL = "mod\N{LATIN SMALL LETTER E WITH ACUTE}le.safetensors"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a command prints.

    Attributes:
        name: of the test.
        encoding: of what it prints.
        columns: of a terminal; None is a pipe.
        variables: of the environment.
    """

    name: str
    encoding: str
    columns: int | None = None
    variables: tuple[tuple[str, str], ...] = ()


C_LOCALE = (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0"))
WAYS = (
    Way(name="terminal of 40, ascii", encoding="ascii", columns=40),
    Way(name="terminal of 80, cp437", encoding="cp437", columns=80),
    Way(name="terminal of 200, utf-8", encoding="utf-8", columns=200),
    Way(name="pipe, latin-1", encoding="latin-1"),
    Way(name="pipe, C locale", encoding="ascii", variables=C_LOCALE),
)
EVERY_WAY = pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What a process printed, on a terminal its errors too, and how it ended."""

    text: str
    errors: str
    code: int

    @property
    def words(self) -> set[str]:
        """The words, with and without the punctuation around them."""
        found = CODES.sub("", self.text).split()
        return {*found, *(word.strip("(),:;'") for word in found)}


def run(way: Way, cwd: Path, *arguments: str) -> Printed:
    """Run a command; what it prints must be in the way's encoding."""
    unset = {"COLUMNS", "LINES", "NO_COLOR", "PYTHONIOENCODING", "PYTHONUTF8", "LC_ALL"}
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    variables = dict(way.variables) or {"PYTHONIOENCODING": way.encoding}
    environment = {**kept, "TERM": "xterm", "OMP_NUM_THREADS": "1", **variables}
    command = [sys.executable, "-m", "wavelit_plugin.cli", *arguments]
    if way.columns is not None:
        shown, code = _on_terminal(command, way.columns, cwd, environment)
        text = shown.decode(way.encoding).replace("\r\n", "\n")
        return Printed(text=text, errors="", code=code)
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, timeout=240, check=False
    )
    text, errors = (part.decode(way.encoding) for part in (done.stdout, done.stderr))
    return Printed(text=text, errors=errors, code=done.returncode)


def _on_terminal(
    command: list[str], columns: int, cwd: Path, environment: dict[str, str]
) -> tuple[bytes, int]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, cwd=cwd, env=environment, **ends) as process:  # type: ignore[call-overload]
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    return shown, process.returncode


def _read(end: int) -> bytes:
    try:
        return os.read(end, 2**16)
    except OSError:  # how Linux says that the other end is closed
        return b""


def check_readable(way: Way, printed: Printed, *, verbatim: bool = False) -> None:
    """Nothing is cut; on a terminal lines fit, elsewhere they are plain."""
    assert "Traceback" not in printed.text + printed.errors
    for cut in (ELLIPSIS, r"\u2026"):
        assert cut not in printed.text + printed.errors
    if way.columns is None:
        assert not CODES.search(printed.text + printed.errors)
        assert "\r" not in printed.text + printed.errors
        return
    lines = re.split(r"[\r\n]", CODES.sub("", printed.text))
    long = [line for line in lines if len(line) > way.columns and len(line.split()) > 1]
    assert verbatim or not long


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two data sets, a model, and a comparison with several seeds."""
    folder = tmp_path_factory.mktemp("output")
    sizes = {"trajectories": 3, "test_trajectories": 1, "frames": 4, "oversample": 1}
    for problem in ("acoustics", "shallow-water"):
        make_dataset(DataRequest(out=folder / "data", problem=problem, size=16, **sizes))  # type: ignore[arg-type]
    layout = ChannelLayout(fields=3, constants=2)
    config = WaveLiTConfig(in_channels=5, out_channels=3, width=8, heads=1, depth=1, layout=layout)
    WaveLiT(config).save(folder / MODEL)
    runs = [run for one in (MADE.WAVELIT, MADE.FNO) for run in MADE.runs_of(one, seeds=3, steps=3)]
    MADE.write_comparison(folder / "measured", runs, seeds=3)
    return folder


@EVERY_WAY
def test_lists(way: Way, tmp_path: Path) -> None:
    printed = run(way, tmp_path, "list")
    assert printed.code == 0, printed
    check_readable(way, printed)
    for kind in CATALOGUES:
        for row in catalogue(kind):
            typed = [str(row["name"]), *str(row.get("watched", "")).split(", ")]
            typed += [word for part in row.values() if isinstance(part, list) for word in part]
            assert printed.words >= set(filter(None, typed))


@EVERY_WAY
def test_doctor(way: Way, tmp_path: Path) -> None:
    printed = run(way, tmp_path, "doctor")
    check_readable(way, printed)
    for row in catalogue("hosts"):
        assert printed.words >= {row["name"], *str(row["watched"]).split(", ")}
    assert "wavelit_plugin:watch_hosts" in printed.words


@EVERY_WAY
@pytest.mark.parametrize("host", ["neuraloperator", "pdearena", "the_well"])
def test_configurations_are_printed_as_they_are(way: Way, host: str, tmp_path: Path) -> None:
    printed = run(way, tmp_path, "config", host)
    assert printed.code == 0
    check_readable(way, printed, verbatim=True)
    configs = find_configs(host).folder
    for path in configs.rglob("*.yaml"):
        assert path.read_text(encoding="utf-8").rstrip() in printed.text


@EVERY_WAY
def test_data_make(way: Way, made: Path) -> None:
    given = ("--size=16", "--trajectories=3", "--test-trajectories=1", "--frames=4")
    asked = ("acoustics", "--host=neuraloperator", "--oversample=1", "--out=data")
    printed = run(way, made, "data", "make", *asked, *given)
    assert printed.code == 0, printed
    check_readable(way, printed)
    assert printed.words >= {"data/acoustics_train_16.pt", "data/acoustics_16.json"}


@EVERY_WAY
def test_compare_and_its_progress(way: Way, made: Path, tmp_path: Path) -> None:
    asked = ("--data", str(made / "data" / "acoustics_16"), "--operators=persistence,linear")
    given = ("--budget=steps=1", "--match=native", "--seeds=1", "--out=r\xe9sultats")
    printed = run(way, tmp_path, "compare", *asked, *given)
    assert printed.code == 0, printed
    check_readable(way, printed)
    assert printed.words >= {"acoustics_16", "persistence", "linear", "parameters"}
    progress = printed.text if way.columns else printed.errors
    assert "linear, seed 0" in " ".join(CODES.sub("", progress).split())


@EVERY_WAY
def test_report_with_intervals(way: Way, made: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    printed = run(way, made, "report", "measured")
    assert printed.code == 0, printed
    check_readable(way, printed)
    sign = "+-" if way.encoding == "ascii" else "\N{PLUS-MINUS SIGN}"
    assert printed.words >= {"waveliT", "FNO", sign, "measured/report.html"}


@EVERY_WAY
def test_evaluate(way: Way, made: Path, tmp_path: Path) -> None:
    data = ("--data", str(made / "data" / "acoustics_16"), "--out", str(tmp_path))
    printed = run(way, made, "evaluate", MODEL, *data)
    assert printed.code == 0, printed
    check_readable(way, printed)
    assert printed.words >= {"persistence", "velocity_x", str(tmp_path / "errors.csv")}
    if not way.variables:  # where the name of the file is not text
        assert printed.words & {MODEL, r"mod\xe9le.safetensors"}


@EVERY_WAY
def test_transfer(way: Way, made: Path) -> None:
    small = ("--steps=1", "--fine-tune-steps=1", "--width=8", "--batch-size=2", "--out=moved")
    asked = ("--data=data", "--columns=persistence,bespoke,left-out")
    printed = run(way, made, "transfer", *asked, *small)
    assert printed.code == 0, printed
    check_readable(way, printed)
    assert printed.words >= {"acoustics_16", "shallow-water_16", "left-out", "moved/transfer.csv"}


@pytest.mark.slow
@pytest.mark.parametrize("way", [WAYS[0], WAYS[4]], ids=["terminal", "pipe"])
def test_demo(way: Way, tmp_path: Path) -> None:
    for needed in ("neuralop", "zencfg", "matplotlib"):
        pytest.importorskip(needed)
    printed = run(way, tmp_path, "demo", "--quick")
    assert printed.code == 0, printed
    check_readable(way, printed)
    assert printed.words >= {"WaveLiT", "FNO", "persistence", "demo/results.json"}


@EVERY_WAY
@pytest.mark.parametrize("name", ["", *COMMANDS, "data make"])
def test_help(way: Way, name: str, tmp_path: Path) -> None:
    printed = run(way, tmp_path, *name.split(), "--help")
    assert printed.code == 0
    check_readable(way, printed)
    command = group
    for word in name.split():
        command = command.get_command(None, word)  # type: ignore[assignment,arg-type]
    options = {option for one in command.params for option in one.opts if option.startswith("--")}
    assert printed.words >= options
    if not name:
        assert printed.words >= set(COMMANDS)


@EVERY_WAY
def test_an_error_is_one_line(way: Way, tmp_path: Path) -> None:
    printed = run(way, tmp_path, "config", "neuralop\xe9rator")
    (line,) = filter(None, (printed.text + printed.errors).split("\n"))
    assert printed.code == 1
    assert line.startswith("wavelit: error: unknown host 'neuralop")
    assert "did you mean 'neuraloperator'?" in line


@pytest.mark.parametrize("arguments", [["list", "wavelets"], ["--help"], ["config", "pdearena"]])
def test_a_reader_that_goes_away_ends_it_quietly(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wavelit_plugin.cli", *arguments]
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        command, stdout=theirs, stderr=subprocess.PIPE, cwd=tmp_path, timeout=120, check=False
    )
    os.close(theirs)
    assert done.stderr == b""


@pytest.mark.parametrize("arguments", [["list", "problems"], ["--help"], ["list", "--json"]])
def test_a_full_disk_under_standard_output_is_one_line(
    arguments: list[str], tmp_path: Path
) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full")
    command = [sys.executable, "-m", "wavelit_plugin.cli", *arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, cwd=tmp_path, timeout=120, check=False
        )
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("wavelit: error: cannot use standard output: No space left on device")


def test_what_is_coloured_on_a_terminal_is_plain_without_colours(tmp_path: Path) -> None:
    way = WAYS[2]
    assert CODES.search(run(way, tmp_path, "list", "criteria").text)
    variables = (*way.variables, ("NO_COLOR", "1"), ("PYTHONIOENCODING", "utf-8"))
    plain = Way(name="", encoding="utf-8", columns=200, variables=variables)
    assert not CODES.search(run(plain, tmp_path, "list", "criteria").text)


def test_there_is_one_way_to_print() -> None:
    package = Path(__file__).parents[2] / "wavelit_plugin"
    printing = re.compile(r"\bclick\.s?echo\(|\bConsole\(|\bprint\(|sys\.stdout\.write\(")
    found = {
        path.name
        for path in package.rglob("*.py")
        if path.parent.name != "configs"  # scripts of a host's users
        and printing.search(path.read_text(encoding="utf-8"))
    }
    # bars move over a terminal, and the probe answers the doctor
    assert found == {"output.py", "progress.py", "probe.py"}
