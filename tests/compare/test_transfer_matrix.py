"""The transfer matrix: which model fills which cell, and what an interruption leaves."""

import csv
import json
import math
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from wavelit_plugin.compare.comparison import Progress, Watcher
from wavelit_plugin.compare.store import RUNS, RunRecord
from wavelit_plugin.compare.transfer import transfer as module
from wavelit_plugin.compare.transfer.datasets import TransferDataset, read_datasets
from wavelit_plugin.compare.transfer.matrix import CSV, JSON, Cell, Matrix, matrix_of, write_matrix
from wavelit_plugin.compare.transfer.picture import transfer_figure, write_picture
from wavelit_plugin.compare.transfer.plan import Plan
from wavelit_plugin.compare.transfer.request import COLUMNS, TransferRequest
from wavelit_plugin.compare.transfer.table import legend, matrix_table
from wavelit_plugin.compare.transfer.transfer import transfer
from wavelit_plugin.data import DataRequest, make_dataset
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.model import JointWaveLiT, Member

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_datasets.py"))))
NAMES = ("waves", "flow", "salt")
Finished = tuple[TransferRequest, Matrix]


class StopHereError(Exception):
    """Stands for whatever ends a process."""


def watcher(tell: Callable[[Progress], object] = lambda _: None) -> Watcher:
    return Watcher(data=lambda *_: None, runs=tell, warn=lambda _: None)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Blocks as small as they can be."""
    whole = TransferDataset.member

    def member(self: TransferDataset, preset: str, width: int | None) -> Member:
        found = whole(self, preset, width)
        return replace(found, config=found.config.changed(depth=1))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransferDataset, "member", member)
        yield


@pytest.fixture(scope="module")
def subjects() -> tuple[TransferDataset, ...]:
    return (
        MADE.dataset("waves", boundary="wall"),
        MADE.dataset("flow", fields=("v", "dye", "p"), size=(6, 10), shift=100.0),
        MADE.dataset("salt", fields=("v", "salt"), constants=("p",)),
    )


@pytest.fixture(scope="module", autouse=True)
def _made_up_data(subjects: tuple[TransferDataset, ...]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "read_datasets", lambda *_, **__: subjects)
        yield


def request_for(folder: Path) -> TransferRequest:
    return TransferRequest(
        data=(folder,),
        out=folder / "out",
        steps=2,
        fine_tune_steps=1,
        width=12,
        columns=("persistence", "bespoke", "joint", "joint+tuned", "left-out", "waves+tuned"),
        waves=("waves",),
        batch_size=2,
        save_every=1,
    )


@pytest.fixture
def request_in(tmp_path: Path) -> TransferRequest:
    return request_for(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, _made_up_data: None) -> Finished:
    asked = request_for(tmp_path_factory.mktemp("finished"))
    return asked, transfer(asked, watcher())


def numbers(request: TransferRequest) -> dict[str, object]:
    """Everything in the records but times, which no two runs share."""
    found = {
        path.name: json.loads(path.read_text()) for path in (request.out / RUNS).glob("*.json")
    }
    for record in found.values():
        del record["costs"]["training_seconds"]
        record["curve"] = [(step, loss) for step, _, loss in record["curve"]]
    return found


def plan_of(request: TransferRequest) -> Plan:
    return Plan(request=request, names=NAMES, lacking=dict.fromkeys(NAMES, ()))


def test_each_column_is_trained_on_what_it_says(request_in: TransferRequest) -> None:
    asked = replace(request_in, columns=tuple(COLUMNS), flows=("flow", "salt"))
    plan = plan_of(asked)

    def trained(column: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        one = plan.training(column, "flow")
        assert "flow" in plan.measured(one)
        return (() if one.source is None else one.source.data_sets), one.data_sets

    assert trained("persistence") == ((), ())
    assert trained("bespoke") == ((), ("flow",))
    assert trained("bespoke+tuned") == (("flow",), ("flow",))
    assert trained("joint") == ((), NAMES)
    assert trained("joint+tuned") == (NAMES, ("flow",))
    assert trained("left-out") == ((), ("waves", "salt"))
    assert trained("left-out+tuned") == (("waves", "salt"), ("flow",))
    assert trained("waves+tuned") == (("waves",), ("flow",))
    assert trained("flows+tuned") == (("flow", "salt"), ("flow",))


def test_a_training_is_done_once_and_after_its_source(request_in: TransferRequest) -> None:
    plan = plan_of(replace(request_in, columns=tuple(COLUMNS)))
    names = [one.name for one in plan.trainings()]
    # nothing, 3 bespoke, joint, 3 without one, the waves; four ways to train on for each data set
    assert len(names) == len(set(names)) == 1 + 3 + 1 + 3 + 1 + 4 * 3
    done: list[RunRecord] = []
    while specs := list(plan.missing(done)):
        ready = {run.spec.label for run in done}
        for one in plan.trainings():
            if one.spec(0) in specs:
                assert one.source is None or one.source.name in ready
        done.append(RunRecord(spec=specs[0], metrics={}))
    assert [run.spec.label for run in done] == names


def test_columns_without_data_sets_are_left_out(request_in: TransferRequest) -> None:
    asked = replace(request_in, columns=("flows+tuned", "waves+tuned", "joint"))
    assert asked.wanted() == ("joint", "waves+tuned")


def test_the_numbers_are_those_of_the_kept_models(
    finished: Finished, subjects: tuple[TransferDataset, ...]
) -> None:
    asked, matrix = finished
    assert matrix.columns == asked.columns
    for subject in subjects:
        x, y = subject.data.test
        for column, name in (
            ("bespoke", f"bespoke-{subject.name}"),
            ("joint", "joint"),
            ("joint+tuned", f"joint-then-{subject.name}"),
            ("waves+tuned", f"waves-then-{subject.name}"),
        ):
            model = JointWaveLiT.load(asked.out / "models" / f"{name}-seed0.safetensors").member(
                subject.name
            )
            with torch.no_grad():
                expected = float(vrmse(model(x), y).mean())
            entry = matrix.entry(subject.name, column)
            assert entry is not None
            assert entry.one_step is not None
            # the same numbers in batches of the same size
            assert entry.one_step.mean == pytest.approx(expected, rel=1e-6)
        still = matrix.entry(subject.name, "persistence")
        assert still is not None
        assert still.one_step is not None
        last = float(vrmse(x[:, : y.shape[1]], y).mean())
        assert still.one_step.mean == pytest.approx(last, rel=1e-6)


def test_steps_are_counted_on_this_data_set_and_on_others(finished: Finished) -> None:
    _, matrix = finished

    def steps(column: str, data_set: str = "flow") -> tuple[float, float]:
        entry = matrix.entry(data_set, column)
        assert entry is not None
        return entry.own_steps, entry.other_steps

    assert steps("persistence") == (0, 0)
    assert steps("bespoke") == (2, 0)
    assert [steps("joint", name) for name in NAMES] == [(2, 4)] * 3
    assert steps("joint+tuned") == (3, 4)
    assert steps("left-out", "waves") == (0, 4)
    assert steps("waves+tuned") == (1, 2)
    assert steps("waves+tuned", "waves") == (3, 0)


def test_what_no_other_data_set_has_is_a_dash_with_the_reason(finished: Finished) -> None:
    _, matrix = finished
    notes = {entry.data_set: entry.note for entry in matrix.entries if entry.column == "left-out"}
    assert notes == {
        "waves": "",
        "flow": "no other data set has dye",
        "salt": "no other data set has salt",
    }
    assert "no left-out for flow: no other data set has dye" in legend(matrix)


def test_what_cannot_be_predicted_is_not_trained_for(request_in: TransferRequest) -> None:
    told: list[Progress] = []
    matrix = transfer(replace(request_in, columns=("left-out",)), watcher(told.append))
    assert {state.what for state in told} == {"without-waves, seed 0"}
    assert {state.total for state in told} == {1}
    assert [entry.other_steps for entry in matrix.entries] == [4, 0, 0]


@pytest.mark.parametrize("stop", [1, 6, 8])
def test_an_interrupted_matrix_ends_as_if_nothing_had_been(
    stop: int, request_in: TransferRequest, tmp_path: Path
) -> None:
    asked = replace(request_in, columns=("joint", "joint+tuned"))
    whole = replace(asked, out=tmp_path / "whole")
    expected = transfer(whole, watcher())
    told: list[float] = []

    def interrupt(state: Progress) -> None:
        told.append(state.share)
        if sum(share > 0 for share in told) == stop:
            raise StopHereError

    with pytest.raises(StopHereError):
        transfer(asked, watcher(interrupt))
    assert transfer(asked, watcher()).as_plain()["entries"] == expected.as_plain()["entries"]
    assert numbers(asked) == numbers(whole)
    assert not list(asked.out.rglob("*.state"))


def test_seeds_and_columns_can_be_added_but_settings_not_changed(
    request_in: TransferRequest,
) -> None:
    asked = replace(request_in, columns=("bespoke",))
    first = transfer(asked, watcher())
    more = transfer(replace(asked, seeds=2, columns=("bespoke", "joint")), watcher())
    assert more.columns == ("bespoke", "joint")
    before, after = first.entry("flow", "bespoke"), more.entry("flow", "bespoke")
    assert before is not None
    assert after is not None
    assert before.one_step is not None
    assert after.one_step is not None
    assert after.one_step.values[0] == before.one_step.values[0]
    assert len(after.one_step.values) == 2
    assert after.one_step.values[1] != after.one_step.values[0]
    with pytest.raises(
        ConfigError, match=r"transfer matrix with other settings .training: steps 2 there, 3 now"
    ):
        transfer(replace(asked, steps=3), watcher())
    with pytest.raises(ConfigError, match=r"transfer matrix with other settings .model: waves"):
        transfer(replace(asked, width=24), watcher())
    with pytest.raises(ConfigError, match=r"unknown data set 'wave'; did you mean 'waves'"):
        transfer(replace(asked, waves=("wave",)), watcher())


def test_a_training_that_diverges_leaves_its_cells_empty(
    request_in: TransferRequest,
    subjects: tuple[TransferDataset, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loss = TransferDataset.loss

    def overflowing(self: TransferDataset, answer: Tensor, truth: Tensor) -> Tensor:
        return loss(self, answer, truth) * (math.inf if self.name == "waves" else 1.0)

    monkeypatch.setattr(TransferDataset, "loss", overflowing)
    monkeypatch.setattr(module, "read_datasets", lambda *_, **__: subjects)
    asked = replace(
        request_in, columns=("bespoke", "joint", "joint+tuned"), weights={"waves": 100.0}
    )
    matrix = transfer(asked, watcher())
    notes = {(entry.data_set, entry.column): entry.note for entry in matrix.entries}
    assert notes["waves", "bespoke"] == "its training diverged"
    assert notes["flow", "joint+tuned"] == "its training diverged"
    assert notes["flow", "bespoke"] == ""
    again = transfer(asked, watcher(lambda _: pytest.fail("nothing is to be trained")))
    assert again.as_plain() == matrix.as_plain()


MEASURED = [
    Cell(
        data_set=data_set,
        column=column,
        seed=seed,
        own_steps=5,
        one_step=error * (1 + seed),
        rollout=(error, 2 * error, 3 * error),
    )
    for data_set, errors in (("a_long_name", (0.4, 0.1)), ("b", (0.5, 4.0)))
    for column, error in zip(("bespoke", "joint"), errors, strict=True)
    for seed in range(2)
]
DASH = Cell(data_set="b", column="left-out", seed=0, note="no other has salt")
LINES = (*MEASURED, DASH)
PLAN = {
    "data": {"a_long_name": 1, "b": 1},
    "training": dict.fromkeys(("steps", "fine_tune_steps", "batch_size"), 7),
}


def test_ratios_are_over_the_bespoke_model_of_the_same_data_set(tmp_path: Path) -> None:
    matrix = matrix_of(PLAN, LINES)
    assert matrix.window == (1, 3)
    found = {(e.data_set, e.column): (e.one_step_ratio, e.rollout_ratio) for e in matrix.entries}
    assert found == {
        ("a_long_name", "bespoke"): (pytest.approx(1.0), pytest.approx(1.0)),
        ("a_long_name", "joint"): (pytest.approx(0.25), pytest.approx(0.25)),
        ("b", "bespoke"): (pytest.approx(1.0), pytest.approx(1.0)),
        ("b", "joint"): (pytest.approx(8.0), pytest.approx(8.0)),
        ("b", "left-out"): (None, None),
    }
    first = matrix.entry("a_long_name", "joint")
    assert first is not None
    assert first.rollout is not None
    assert first.rollout.mean == pytest.approx(0.2)  # (0.1 + 0.2 + 0.3) / 3
    assert write_matrix(matrix, tmp_path) == (tmp_path / JSON, tmp_path / CSV)
    rows = list(csv.DictReader((tmp_path / CSV).read_text().splitlines()))
    assert rows[1]["one_step_over_bespoke"] == "0.25"
    assert rows[-1]["one_step"] == ""
    assert rows[-1]["note"] == "no other has salt"
    plain = json.loads((tmp_path / JSON).read_text())
    assert plain["entries"][1]["one_step"]["values"] == [0.1, 0.2]
    assert plain["columns"]["joint"] == COLUMNS["joint"]


def test_the_table_has_every_number_and_every_dash() -> None:
    matrix = matrix_of(PLAN, LINES)
    text = matrix_table(matrix).text()
    for part in ("0.600", "0.150 (0.25)", "6.00 (8.00)"):
        assert part in text
    assert text.count("(") == 2  # of bespoke models there is nothing to compare
    assert "joint: trained on all data sets" in legend(matrix)


def test_the_picture_has_every_number_and_colours_in_the_order_of_the_ratios(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    matrix = matrix_of(PLAN, LINES)
    one, rolled = transfer_figure(matrix).axes[:2]
    assert [text.get_text() for text in one.texts] == [
        "0.600", "0.150", "x 0.25", "-", "0.750", "6.00", "x 8.00", "-",
    ]  # fmt: skip
    assert rolled.get_title() == "VRMSE, roll-out, steps 1-3"
    image = one.images[0].get_array()
    assert image is not None
    better, neutral, worse = image[0, 1], image[0, 0], image[1, 1]
    assert better[2] > better[0]  # purple
    assert worse[0] > worse[2]  # orange
    assert min(neutral) > 0.9  # nearly white
    inks = [text.get_color() for text in one.texts]
    assert inks == ["black", "white", "white", "black", "black", "white", "white", "black"]
    for path in write_picture(matrix, tmp_path):
        assert path.stat().st_size > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"transfer.png", "transfer.svg"}


def test_data_sets_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        make_dataset(
            DataRequest(
                out=tmp_path / folder,
                size=16,
                trajectories=2,
                test_trajectories=1,
                frames=3,
                oversample=1,
            )
        )
    with pytest.raises(ConfigError, match="at least two data sets"):
        read_datasets([tmp_path / "here"], "cpu")
    with pytest.raises(ConfigError, match=r"several data sets are called acoustics_16"):
        read_datasets([tmp_path / "here", tmp_path / "there"], "cpu")
    with pytest.raises(DataError, match="does not exist"):
        read_datasets([tmp_path / "nowhere" / "at_all"], "cpu")
