"""Options with values that cannot be: one line of error or usage, never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelit_plugin.cli.group import COMMANDS
from wavelit_plugin.cli.group import wavelit as group
from wavelit_plugin.compare.evaluation import drawing
from wavelit_plugin.compare.report import write
from wavelit_plugin.compare.transfer import picture
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.errors import HostError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig, checkpoint

Options = Mapping[str, str]

HUGE = "99999999999999999999"
LONG = "x" * 300
LONE = "\udcff"  # what a byte that is no text becomes
COUNTS = ("-1", "0", HUGE, "1e3", "")
NUMBERS = ("nan", "inf", "-1", "many")
NAMES = ("", "nothing", "[/x]", LONE)
DEVICES = ("gpu", "meta", "hpu", "", "cuda:99")
PLACES = ("file", "file/below", LONG, "loop/below")
DATA = (
    *("gone", "file", "file/below", "empty", "truncated", "foreign", "list", "odd", "no json"),
    *("two/nothing", "loop", "", LONG, LONE),
)
CHECKPOINTS = ("gone", "file", "half", "weights", "other version", "empty", "loop", "", LONG)

SMALL = {"--match": "native", "--seeds": "1", "--budget": "steps=1", "--lr-grid": "1"}
COMPARE = {"--data": "data", "--operators": "persistence", "--out": "out", **SMALL}
MAKE = {
    "--host": "neuraloperator",
    "--out": "out",
    "--size": "16",
    "--trajectories": "1",
    "--test-trajectories": "1",
    "--frames": "2",
    "--oversample": "1",
}
EVALUATE = {"--data": "data", "--out": "out"}
TRANSFER = {
    "--data": "two",
    "--columns": "persistence",
    "--out": "out",
    "--width": "8",
    "--steps": "1",
    "--fine-tune-steps": "1",
}

# the words of a command, its options, and for each of these what it cannot be
TABLE: tuple[tuple[tuple[str, ...], Options, Mapping[str, Sequence[str]]], ...] = (
    (
        ("compare",),
        COMPARE,
        {
            "--data": DATA,
            "--operators": (*NAMES, ",", "linear:", "waveliT:a:b"),
            "--budget": ("", "steps", "steps=0", f"steps={HUGE}", "seconds=nan", "seconds=-1"),
            "--match": ("", "nativ", "parameters=0", "parameters=x", f"parameters={HUGE}"),
            **dict.fromkeys(("--seeds", "--lr-grid", "--batch-size", "--size"), COUNTS),
            "--trajectories": COUNTS,
            "--cycle-shift": ("-1", HUGE, "1"),
            **dict.fromkeys(("--noise", "--push-forward"), NUMBERS),
            "--predict": NAMES,
            "--device": DEVICES,
            "--out": PLACES,
        },
    ),
    (
        ("data", "make", "acoustics"),
        MAKE,
        {
            **dict.fromkeys(("--host", "--boundary", "--medium", "--layout", "--dtype"), NAMES),
            **dict.fromkeys(("--size", "--trajectories", "--test-trajectories"), COUNTS),
            **dict.fromkeys(("--frames", "--oversample"), COUNTS),
            "--seed": ("-1", HUGE, "1e3"),
            "--interval": (*NUMBERS, "0"),
            "--device": DEVICES,
            "--out": (*PLACES, "data"),
        },
    ),
    (
        ("evaluate", "model"),
        EVALUATE,
        {
            "--data": DATA,
            "--steps": (*COUNTS, "100"),
            "--frames": COUNTS,
            "--device": DEVICES,
            "--build": ("", "module", "module:", "json:nothing", "gone:build", "os:sep", "a b:c"),
            "--out": PLACES,
        },
    ),
    (
        ("transfer",),
        TRANSFER,
        {
            "--data": (*DATA, "data", "data,two", ","),
            **dict.fromkeys(("--steps", "--fine-tune-steps", "--seeds", "--save-every"), COUNTS),
            **dict.fromkeys(("--batch-size",), COUNTS),
            "--width": (*COUNTS, "7"),
            **dict.fromkeys(("--learning-rate", "--fine-tune-rate"), (*NUMBERS, "0")),
            **dict.fromkeys(("--waves", "--flows", "--preset"), NAMES[1:]),
            "--columns": NAMES[1:],
            "--weights": ("a", "a=", "=1", "acoustics_16=nan", "acoustics_16=1=2"),
            "--device": DEVICES,
            "--out": PLACES,
        },
    ),
    (
        ("demo",),
        {"--out": "file"},
        {"--steps": (*COUNTS, "7"), "--seed": ("-1", HUGE, "x"), "--device": DEVICES},
    ),
    (("config", "neuraloperator"), {}, {"--model": NAMES}),
)


def _flat(options: Options) -> tuple[str, ...]:
    return tuple(word for pair in options.items() for word in pair)


CASES = [
    pytest.param(
        (*words, *_flat({**given, option: value})), id=f"{words[0]} {option}={value[:25]!r}"
    )
    for words, given, table in TABLE
    for option, values in table.items()
    for value in values
]
LINES = [
    *(("evaluate", path, *_flat(EVALUATE)) for path in CHECKPOINTS),
    *(("report", path) for path in (*PLACES, "data", "empty", "gone", "", LONE)),
    *(("run", path) for path in (*PLACES[1:], "gone.py", "empty", LONE)),
    *(("run", "--criterion", name, "script.py") for name in NAMES),
    *(("config", name) for name in NAMES),
    *(("list", name) for name in NAMES),
    *(("data", "make", name, *_flat(MAKE)) for name in NAMES),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, models, and what only has their names."""
    root = tmp_path_factory.mktemp("world")
    sizes = {"size": 16, "trajectories": 3, "test_trajectories": 1, "frames": 4, "oversample": 1}
    for folder, problem in (
        ("data", "acoustics"),
        ("two", "acoustics"),
        ("two", "shallow-water"),
    ):
        make_dataset(DataRequest(out=root / folder, problem=problem, **sizes))  # type: ignore[arg-type]
    for name in ("truncated", "foreign", "list", "odd", "no json"):
        shutil.copytree(root / "data", root / name)
    train = "acoustics_train_16.pt"
    (root / "truncated" / train).write_bytes((root / "data" / train).read_bytes()[:1000])
    torch.save({"x": torch.zeros(2), "y": 3}, root / "foreign" / train)
    torch.save([1, 2], root / "list" / train)
    (root / "odd" / "acoustics_16.json").write_text('{"parameters": {}, "layout": 3}')
    (root / "no json" / "acoustics_16.json").write_text("{")
    (root / "empty").mkdir()
    (root / "file").write_text("text")
    (root / "loop").symlink_to("loop")
    (root / "script.py").write_text("print('hello')")
    layout = ChannelLayout(fields=3, constants=2)
    config = WaveLiTConfig(in_channels=5, out_channels=3, width=8, heads=1, depth=1, layout=layout)
    WaveLiT(config).save(root / "model")
    content = (root / "model").read_bytes()
    (root / "half").write_bytes(content[: len(content) // 2])
    now, other = (f'format":"{version}"'.encode() for version in (checkpoint.FORMAT, "0"))
    assert now in content
    (root / "other version").write_bytes(content.replace(now, other))
    torch.save({"weight": torch.zeros(3)}, root / "weights")
    return root


@pytest.fixture(autouse=True)
def _here(world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the folder of what there is, without pictures, which take seconds."""

    def missing(*_: object) -> None:
        raise HostError("not here")

    for module, name in (
        (write, "check_report"),
        (drawing, "check_figure"),
        (picture, "check_figure"),
    ):
        monkeypatch.setattr(module, name, missing)
    monkeypatch.chdir(world)
    yield
    shutil.rmtree(world / "out", ignore_errors=True)


def check_ends_well(done: Result) -> None:
    """Done, one line of error, or usage."""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    lines = done.stderr.splitlines()
    assert done.exit_code in {0, 1, 2}
    if done.exit_code == 1:
        assert lines[-1].startswith("wavelit: error: ")
        assert sum(line.startswith("wavelit: error: ") for line in lines) == 1
        assert len(lines[-1]) > len("wavelit: error: ")
        assert done.stdout == ""
    if done.exit_code == 2:
        assert lines[0].startswith(("Usage: wavelit", "Error: "))


def test_there_are_some_hundreds() -> None:
    assert len(CASES) + len(LINES) > 300


@pytest.mark.parametrize("arguments", CASES)
def test_a_value_that_cannot_be(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, arguments)
    check_ends_well(done)
    assert done.exit_code != 0


@pytest.mark.parametrize("arguments", LINES, ids=lambda words: " ".join(words)[:40])
def test_a_word_that_cannot_be(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(group, arguments)
    check_ends_well(done)
    assert done.exit_code != 0


WORDS = st.sampled_from([*COMMANDS, "--help", "--json", "--out", "--", "-x", "file", "", LONE])


@settings(max_examples=200)
@given(words=st.lists(WORDS | st.text(max_size=5), max_size=4))
def test_words_in_any_order(words: list[str]) -> None:
    if {"demo", "doctor"} & set(words):
        return  # they take no words and would begin
    check_ends_well(CliRunner().invoke(group, words))
