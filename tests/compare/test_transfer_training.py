"""Joint training: each data set counts alike, one a batch, and an interruption changes nothing."""

import copy
import itertools
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.compare.batches import PlainBatches
from wavelit_plugin.compare.request import Spend
from wavelit_plugin.compare.training import Trained, Training, train
from wavelit_plugin.compare.transfer.batches import JointBatches, drawn_order
from wavelit_plugin.compare.transfer.datasets import TransferDataset
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import JointWaveLiT, Member

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_datasets.py"))))
WAVES: TransferDataset = MADE.dataset("waves", constants=("density",), boundary="wall")
FLOW: TransferDataset = MADE.dataset("flow", fields=("v", "dye", "p"), size=(6, 10), shift=100.0)
BOTH = (WAVES, FLOW)
WEIGHTS = {"waves": 1.0, "flow": 1.0}
STEPS, SEED = 7, 3
HOW = Training(spend=Spend(steps=STEPS), learning_rate=1e-2, save_every=3)


class StopHereError(Exception):
    """Stands for whatever ends a process."""


def member_of(one: TransferDataset) -> Member:
    """What the training sees of a data set, with blocks as small as they can be."""
    member = one.member("waveliT", 12)
    return replace(member, config=member.config.changed(depth=1))


@pytest.fixture
def joint() -> JointWaveLiT:
    found = JointWaveLiT({s.name: member_of(s) for s in BOTH})
    for one in BOTH:
        one.measure(found)
    return found


def train_joint(
    joint: JointWaveLiT,
    state: Path | None = None,
    *,
    weights: dict[str, float] = WEIGHTS,
    datasets: tuple[TransferDataset, ...] = BOTH,
    how: Training = HOW,
    report: Callable[[float, float], object] = lambda _share, _loss: None,
) -> Trained:
    batches = JointBatches(datasets, weights, steps=STEPS, batch_size=3, seed=SEED)
    return train(joint, batches, how, state=state, report=report)


def losses_of(found: Trained) -> list[tuple[int, float]]:
    """The curve without the seconds."""
    return [(step, loss) for step, _, loss in found.curve]


def state_of(model: JointWaveLiT) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_one_data_set_is_trained_as_a_comparison_trains_a_wavelit() -> None:
    joint = JointWaveLiT({"waves": member_of(WAVES)})
    WAVES.measure(joint)
    plain = joint.member("waves")
    found = train_joint(joint, weights={"waves": 2.0})
    batches = PlainBatches(*WAVES.data.train, WAVES.loss, batch_size=3, seed=SEED)
    expected = train(plain, batches, HOW, report=lambda *_: None)
    losses = [[point[-1] for point in outcome.curve] for outcome in (found, expected)]
    assert len(losses[0]) == STEPS
    # float32; norms of gradients are summed in another order
    assert_close(*losses, rtol=1e-4, atol=0.0)
    assert min(losses[0]) < losses[0][0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_what_answers_the_mean_change_has_loss_1_whatever_the_units(scale: float) -> None:
    slow: TransferDataset = MADE.dataset("slow", still=True, scale=scale, shift=2.0 * scale)
    assert slow.target == "change"
    change = slow.data.train.y - slow.data.train.x[:, : slow.data.train.y.shape[1]]
    answer = slow.data.train.y - change + change.mean(dim=(0, 2, 3), keepdim=True)
    # float32, with a mean of twice the deviation
    assert_close(slow.loss(answer, slow.data.train.y), torch.tensor(1.0), rtol=1e-4, atol=0.0)


def test_fields_that_change_beyond_recognition_count_by_their_own_deviation() -> None:
    assert WAVES.target == "state"
    variance = WAVES.data.train.x[:, :2].var(dim=(0, 2, 3), unbiased=False)
    expected = (WAVES.data.train.y.square().mean(dim=(0, 2, 3)) / variance).mean()
    assert_close(WAVES.loss(torch.zeros_like(WAVES.data.train.y), WAVES.data.train.y), expected)


@pytest.mark.parametrize("steps", [1, 7, 2000])
def test_each_data_set_gets_the_steps_that_its_weight_says(steps: int) -> None:
    weights = {"a": 1.0, "b": 4.0, "c": 1e-9, "d": 2.5}
    order = drawn_order(weights, steps, SEED)
    assert len(order) == steps
    for name, weight in weights.items():
        # to a whole step at both ends of its share
        assert abs(order.count(name) - steps * weight / sum(weights.values())) <= 1


def test_the_order_is_shuffled_by_the_seed() -> None:
    order = drawn_order(WEIGHTS, 200, SEED)
    assert order == drawn_order(WEIGHTS, 200, SEED)
    assert order != drawn_order(WEIGHTS, 200, SEED + 1)
    changes = sum(a != b for a, b in itertools.pairwise(order))
    # of 199 neighbours half differ, with a deviation of 7
    assert 70 < changes < 130


def test_what_is_trained_on_one_data_set_leaves_the_names_of_others_alone(
    joint: JointWaveLiT,
) -> None:
    joint(FLOW.data.train.x[:2], "flow").sum().backward()  # gradients of an earlier step
    before = state_of(joint)
    train_joint(joint, weights={"waves": 1.0})
    changed = {name for name, value in joint.state_dict().items() if (value != before[name]).any()}
    others = {name for name in before if "dye" in name or "@flow" in name}
    assert others
    assert not others & changed  # not even by weight decay
    own = {name for name in before if "@density:value" in name or "@p:next1" in name}
    assert own <= changed


@pytest.mark.parametrize("stop", [1, 3, 5, 7])
def test_an_interrupted_training_ends_as_if_nothing_had_been(
    stop: int, joint: JointWaveLiT, tmp_path: Path
) -> None:
    whole, cut = joint, copy.deepcopy(joint)
    fresh = copy.deepcopy(joint)
    expected = train_joint(whole)

    def interrupt(share: float, _loss: float) -> None:
        if round(share * STEPS) == stop:
            raise StopHereError

    state = tmp_path / "cut"
    with pytest.raises(StopHereError):
        train_joint(cut, state, report=interrupt)
    assert state.exists() == (stop > 3)
    found = train_joint(fresh, state)
    assert losses_of(found) == losses_of(expected)
    assert found.steps == STEPS
    seconds = [point[1] for point in found.curve]  # those before the interruption count
    assert seconds == sorted(seconds)
    assert found.seconds == seconds[-1]
    for name, value in state_of(whole).items():
        assert_close(fresh.state_dict()[name], value, rtol=0.0, atol=0.0)


def test_a_finished_training_is_not_done_again(joint: JointWaveLiT, tmp_path: Path) -> None:
    train_joint(joint, tmp_path / "state")
    before = state_of(joint)
    again = train_joint(copy.deepcopy(joint), tmp_path / "state")
    assert again.steps == STEPS
    assert all(torch.equal(value, before[name]) for name, value in joint.state_dict().items())


def test_a_damaged_state_is_refused(joint: JointWaveLiT, tmp_path: Path) -> None:
    state = tmp_path / "state"
    train_joint(joint, state)
    content = state.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no state"):
        state.write_bytes(damaged)
        with pytest.raises(DataError, match=r"state cannot be read .*; delete it"):
            train_joint(joint, state)
    torch.save({"model": {}}, state)
    with pytest.raises(DataError, match=r"state holds something else .*; delete it"):
        train_joint(joint, state)


def test_a_data_set_of_the_weights_that_is_missing_is_named(joint: JointWaveLiT) -> None:
    with pytest.raises(ConfigError, match="no data for flow"):
        train_joint(joint, datasets=(WAVES,))


def test_a_training_that_diverges_ends(joint: JointWaveLiT) -> None:
    bad: TransferDataset = replace(
        WAVES, read=lambda index: MADE.times(WAVES.read(index), float("inf"))
    )
    found = train_joint(joint, datasets=(bad, FLOW))
    assert found.diverged
    assert found.steps == drawn_order(WEIGHTS, STEPS, SEED).index("waves") + 1
    assert all(loss < float("inf") for _, loss in losses_of(found))
