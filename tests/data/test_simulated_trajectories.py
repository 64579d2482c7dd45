"""Trajectories in memory: seeds, sizes, frames and broken solvers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.data import PROBLEMS, Setup, Trajectories, simulate_dataset, simulation
from wavelit_plugin.data.scattering import area_mean
from wavelit_plugin.data.simulation import chunk_ranges, simulate_chunk, trajectory_seed
from wavelit_plugin.data.statistics import measure
from wavelit_plugin.errors import ConfigError, DataError

SETUP = Setup(size=16, frames=3, interval=0.04, boundary="open", medium="inclusions")


def test_shapes_and_channels_are_as_documented() -> None:
    fields, constants, _ = simulate_dataset(size=32, trajectories=3, frames=4)
    problem = PROBLEMS["acoustics"]
    assert fields.shape == (3, 4, len(problem.fields), 32, 32)
    assert constants.shape == (3, len(problem.constants), 32, 32)
    assert fields.dtype == constants.dtype == torch.float32
    # at rest at first
    assert_close(fields[:, 0, 1:], torch.zeros(3, 2, 32, 32), rtol=0.0, atol=1e-7)


def test_a_trajectory_depends_on_seed_split_and_number_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = PROBLEMS["acoustics"]
    together = simulate_dataset(size=16, trajectories=5, frames=3, seed=7)
    monkeypatch.setattr(simulation, "CELLS_PER_CHUNK", 1)
    apart = simulate_dataset(size=16, trajectories=5, frames=3, seed=7)
    # vector and scalar code paths of one operation may round differently
    assert_close(apart, together, rtol=0.0, atol=1e-6)
    last = simulate_chunk(problem, SETUP, seed=7, split="train", indices=range(4, 5))
    assert_close(last.fields, together.fields[4:], rtol=0.0, atol=1e-6)


def test_seeds_of_trajectories_differ_between_seed_split_and_number() -> None:
    seeds = {
        trajectory_seed(seed, split, index)
        for seed in (0, 1, 2**63 - 1)
        for split in ("train", "test", "valid")
        for index in range(50)
    }
    assert len(seeds) == 3 * 3 * 50
    assert all(0 <= seed < 2**63 for seed in seeds)
    # a change of these numbers changes every published data set
    assert trajectory_seed(0, "train", 0) == 7896617691693857887
    assert trajectory_seed(0, "test", 0) == 2918264622725855778


def test_train_and_test_trajectories_differ() -> None:
    train = simulate_dataset(size=16, trajectories=2, frames=2, split="train")
    test = simulate_dataset(size=16, trajectories=2, frames=2, split="test")
    assert float((train.fields - test.fields).abs().max()) > 0.1


@pytest.mark.parametrize("boundary", PROBLEMS["acoustics"].boundaries)
@pytest.mark.parametrize("medium", PROBLEMS["acoustics"].media)
def test_frames_differ_by_a_learnable_amount(medium: str, boundary: str) -> None:
    fields, _, _ = simulate_dataset(size=32, trajectories=8, medium=medium, boundary=boundary)
    ratio = float(fields.diff(dim=1).std() / fields.std())
    # 0: nothing to learn; sqrt(2): consecutive frames are unrelated
    assert 0.3 < ratio < 1.1


def test_finer_simulations_converge_to_the_stored_frames() -> None:
    frames = [
        simulate_dataset(
            size=32, trajectories=3, frames=6, medium="layers", boundary="wall", oversample=factor
        ).fields
        for factor in (1, 2, 4)
    ]
    coarse, fine = (float((frames[i] - frames[i + 1]).norm()) for i in (0, 1))
    # order two would be 4; jumps of the medium cost a little
    assert coarse / fine > 2.5


def test_sizes_hold_the_same_trajectories() -> None:
    low = simulate_dataset(size=32, trajectories=4, frames=6, oversample=4)
    high = simulate_dataset(size=64, trajectories=4, frames=6, oversample=2)
    # equal fine grids: the coarser file is the area mean of the finer one
    assert_close(area_mean(high.fields, 2, ndim=2), low.fields, rtol=0.0, atol=1.6e-5)
    assert_close(area_mean(high.constants, 2, ndim=2), low.constants, rtol=1e-6, atol=0.0)


def test_energy_leaves_through_an_open_border_only() -> None:
    def last_to_first(boundary: str) -> float:
        fields, _, _ = simulate_dataset(
            size=32, trajectories=4, frames=40, boundary=boundary, medium="uniform"
        )
        energy = fields.double().square().sum(dim=(0, 2, 3, 4))
        return float(energy[-1] / energy[0])

    # p^2 + v^2 of area means, not the scheme's own energy: a tenth is lost to averaging
    assert 0.8 < last_to_first("wall") < 1.1
    assert 0.8 < last_to_first("periodic") < 1.1
    assert last_to_first("open") < 0.05


def test_simulation_leaves_threads_and_random_state_alone() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(3)
    try:
        simulate_dataset(size=16, trajectories=1, frames=2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_solver_that_blows_up_is_reported_with_its_trajectory() -> None:
    def explode(setup: Setup, seeds: Sequence[int]) -> Trajectories:
        fields = torch.zeros(len(seeds), setup.frames, 3, 16, 16)
        fields[1, 2, 0, 5, 5] = float("nan")
        return Trajectories(fields, torch.ones(len(seeds), 2, 16, 16), torch.ones(len(seeds), 0))

    broken = replace(PROBLEMS["acoustics"], simulate=explode)
    with pytest.raises(DataError, match=r"NaN or Inf in test trajectories \[11\] of seed 3"):
        simulate_chunk(broken, SETUP, seed=3, split="test", indices=range(10, 13))


def test_statistics_are_those_of_all_frames() -> None:
    whole = simulate_dataset(size=16, trajectories=5, frames=4, dtype="float64")
    fields = whole.fields
    # in two chunks of different length
    parts = [Trajectories(*(part[piece] for part in whole)) for piece in (slice(2), slice(2, 5))]
    result = measure(parts)
    std = fields.std(dim=(0, 1, 3, 4), correction=0)
    change = fields.diff(dim=1).std(dim=(0, 1, 3, 4), correction=0)
    assert_close(torch.tensor(result.std, dtype=torch.float64), std)
    assert_close(torch.tensor(result.frame_change, dtype=torch.float64), change / std)
    assert_close(
        torch.tensor(result.mean, dtype=torch.float64), fields.mean(dim=(0, 1, 3, 4)), atol=1e-12,
        rtol=0.0,
    )  # fmt: skip


def test_a_field_at_rest_has_no_frame_change() -> None:
    still = Trajectories(torch.ones(1, 3, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.ones(1, 0))
    assert measure([still]).frame_change == [0.0]


def test_chunks_cover_every_trajectory_once() -> None:
    for total in (1, 7, 64):
        ranges = chunk_ranges(total, replace(SETUP, size=128), ndim=2)
        assert [i for part in ranges for i in part] == list(range(total))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem": "acoustic"}, "did you mean 'acoustics'"),
        ({"boundary": "opne"}, "did you mean 'open'"),
        ({"medium": "mase"}, "did you mean 'maze'"),
        ({"dtype": "float16"}, "did you mean 'float"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
        ({"device": "meta"}, "device 'meta' cannot be used"),
        ({"size": 63}, "size must be even"),
        ({"size": 8}, "size must be an integer of at least 16"),
        ({"frames": 1}, "frames must be an integer of at least 2"),
        ({"interval": 0.0}, "interval must be a positive time"),
        ({"interval": float("nan")}, "interval must be a positive time"),
        ({"oversample": 0}, "oversample must be an integer of at least 1"),
        ({"trajectories": 0}, "trajectories must be an integer of at least 1"),
        ({"seed": -1}, "seed must be an integer"),
        ({"split": "validation"}, "did you mean 'valid'"),
    ],
)
def test_bad_arguments_give_one_config_error(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"size": 16, "trajectories": 1, "frames": 2}
    with pytest.raises(ConfigError, match=message):
        simulate_dataset(**{**good, **arguments})  # type: ignore[arg-type]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_trajectories() -> None:
    cpu = simulate_dataset(size=32, trajectories=4, dtype="float64")
    gpu = simulate_dataset(size=32, trajectories=4, dtype="float64", device="cuda")
    # other contraction of multiply-adds, 21 frames
    assert_close(gpu, cpu, rtol=0.0, atol=1e-11)
