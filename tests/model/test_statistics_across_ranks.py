"""Several processes: one model, no hang, and a word where each would learn for itself."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed"),
]

RANKS = 2
CONFIG = {
    "in_channels": 2,
    "out_channels": 1,
    "width": 8,
    "heads": 2,
    "depth": 1,
    "pyramid_scales": 2,
}

# what every process begins with; a hang ends in an error after a minute
BEGIN = f"""
import sys, warnings
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

folder, rank = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
torch.manual_seed(0)
warnings.simplefilter("error", UserWarning)
config = WaveLiTConfig(**{CONFIG!r})
batches = torch.load(folder / "batches.pt", weights_only=True)
def group():
    limit = timedelta(seconds=60)
    dist.init_process_group(
        "gloo", f"file://{{folder}}/group", rank=rank, world_size={RANKS}, timeout=limit
    )
def train(model, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for u, target in steps:
        optimizer.zero_grad()
        (model(u[rank], target=target[rank]) - target[rank]).square().mean().backward()
        optimizer.step()
"""

END = """
torch.save(getattr(model, "module", model).state_dict(), folder / f"rank{rank}.pt")
dist.barrier()
dist.destroy_process_group()
"""


@pytest.fixture
def batches(tmp_path: Path, rng: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Shards (rank, sample, channel, *space) that differ in mean and size, saved for all."""
    found = []
    for size in (3, 5, 4):
        u = torch.randn(RANKS, size, 2, 8, 8, dtype=torch.float64, generator=rng)
        u = u * torch.tensor([1.0, 4.0]).view(-1, 1, 1, 1, 1)
        u = u + torch.tensor([0.0, 10.0]).view(-1, 1, 1, 1, 1)
        found.append((u, 0.9 * u[:, :, :1] + 1))
    torch.save(found, tmp_path / "batches.pt")
    return found


def together(folder: Path, body: str) -> list[subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-c", BEGIN + body, str(folder)]
    processes = [
        subprocess.Popen([*command, str(rank)], text=True, stderr=subprocess.PIPE)
        for rank in range(RANKS)
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    return [
        subprocess.CompletedProcess(p.args, p.returncode, stderr=text)
        for p, text in zip(processes, said, strict=True)
    ]


def states(folder: Path, body: str) -> list[dict[str, Tensor]]:
    for rank, process in enumerate(together(folder, body)):
        assert process.returncode == 0, f"rank {rank}: {process.stderr}"
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)]


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert_close(second[name], value, rtol=0.0, atol=0.0, msg=f"{name} differs")


def fitted(batches: list[tuple[Tensor, Tensor]], ranks: slice) -> dict[str, Tensor]:
    model = WaveLiT(WaveLiTConfig(**CONFIG)).double()  # type: ignore[arg-type]
    flat = [(u[ranks].flatten(0, 1), target[ranks].flatten(0, 1)) for u, target in batches]
    model.fit_statistics(flat)
    named = model.normalizer.named_buffers()
    return {f"normalizer.{name}": t for name, t in named if "samples" not in name}


def assert_statistics(state: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        if name in state and "grid" not in name:
            assert_close(state[name], value, rtol=1e-9, atol=1e-9, msg=name)


def test_all_ranks_have_the_statistics_of_rank_0(
    tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    """As DistributedDataParallel hands on every buffer, at the beginning of the next forward."""
    first, second = states(
        tmp_path,
        """
group()
model = DistributedDataParallel(WaveLiT(config).double())
train(model, batches)
with torch.no_grad():
    model.eval()(batches[0][0][rank])
"""
        + END,
    )
    assert_same(first, second)
    assert_statistics(first, fitted(batches, slice(0, 1)))


def test_a_checkpoint_that_rank_0_alone_has_loaded_is_handed_on(
    tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    trained = WaveLiT(WaveLiTConfig(**CONFIG)).double()  # type: ignore[arg-type]
    trained.fit_statistics([(5 + u[0], target[0]) for u, target in batches])
    torch.save(trained.state_dict(), tmp_path / "trained.pt")
    first, second = states(
        tmp_path,
        """
model = WaveLiT(config).double()
if rank == 0:
    model.load_state_dict(torch.load(folder / "trained.pt", weights_only=True))
group()
model = DistributedDataParallel(model)
train(model, batches)
"""
        + END,
    )
    assert_same(first, second)
    expected = {n: t for n, t in trained.state_dict().items() if n.startswith("normalizer.")}
    assert_statistics(first, expected)


def test_unequal_numbers_of_batches_and_a_forward_on_one_rank_end(
    tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    first, second = states(
        tmp_path,
        """
group()
model = DistributedDataParallel(WaveLiT(config).double())
with model.join():
    train(model, batches[: 1 + 2 * rank])
if rank == 1:
    model.module.train()
    u, target = batches[0]
    with warnings.catch_warnings():  # it is told that it learns for itself
        warnings.simplefilter("ignore")
        model.module(u[1], target=target[1]).sum().backward()
    model.module.eval()(u[1])
"""
        + END,
    )
    assert first.keys() == second.keys()


@pytest.mark.parametrize("fault", [False, True])
def test_statistics_of_all_ranks_take_any_number_of_batches_and_one_fault_ends_all(
    fault: bool, tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    ended = together(
        tmp_path,
        f"""
group()
own = [(u[rank], target[rank]) for u, target in batches]
if rank == 1:
    own = [(torch.full_like(u, torch.nan), t) for u, t in own] if {fault} else own[:1] + own[1:]
if rank == 0 and not {fault}:
    own = [(torch.cat([u for u, _ in own]), torch.cat([t for _, t in own]))]
model = WaveLiT(config).double()
model.fit_statistics(own, across_ranks=True)
"""
        + END,
    )
    if fault:
        assert [process.returncode for process in ended] == [1, 1]
        assert "ConfigError: rank 1 could not measure its batches" in ended[0].stderr
        assert "DataError: the training input holds" in ended[1].stderr
        return
    assert [p.returncode for p in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    found = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)]
    assert_same(*found)
    assert_statistics(found[0], fitted(batches, slice(None)))


def test_processes_that_learn_for_themselves_are_told(
    tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    ended = together(tmp_path, "group()\ntrain(WaveLiT(config).double(), batches)\n")
    for process in ended:
        assert process.returncode == 1
        assert "each of 2 processes learns statistics of its own data" in process.stderr
