"""Data-parallel training: every process learns the same statistics, from the data of all."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

RANKS = 2

# one process of the group: two steps of DistributedDataParallel, each on its own shard
PROCESS = """
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from wavelit_plugin.model import WaveLiT, WaveLiTConfig

folder, rank, ranks = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo", f"file://{folder}/group", rank=rank, world_size=ranks)
torch.manual_seed(0)
config = WaveLiTConfig(in_channels=2, out_channels=1, width=8, heads=2, depth=1, scales=2)
model = DistributedDataParallel(WaveLiT(config).double())
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for u, target in torch.load(folder / "batches.pt", weights_only=True):
    u, target = u[rank], target[rank]
    optimizer.zero_grad()
    (model(u, target=target) - target).square().mean().backward()
    optimizer.step()
torch.save(model.module.state_dict(), folder / f"rank{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
def test_all_ranks_learn_the_statistics_of_all_shards(tmp_path: Path, rng: torch.Generator) -> None:
    batches = []
    for size in (3, 5):
        # shards that differ in mean and size
        u = torch.randn(RANKS, size, 2, 8, 8, dtype=torch.float64, generator=rng)
        u = u * torch.tensor([1.0, 4.0]).view(RANKS, 1, 1, 1, 1) + torch.tensor([0.0, 10.0]).view(
            RANKS, 1, 1, 1, 1
        )
        batches.append((u, 0.9 * u[:, :, :1] + 1))
    torch.save(batches, tmp_path / "batches.pt")
    command = [sys.executable, "-c", PROCESS, str(tmp_path)]
    processes = [subprocess.Popen([*command, str(rank), str(RANKS)]) for rank in range(RANKS)]
    assert [process.wait(timeout=300) for process in processes] == [0] * RANKS
    first, second = (
        torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(RANKS)
    )
    for name, value in first.items():
        assert_close(second[name], value, rtol=0.0, atol=0.0, msg=f"{name} differs")
    config = WaveLiTConfig(in_channels=2, out_channels=1, width=8, heads=2, depth=1, scales=2)
    alone = WaveLiT(config).double()
    alone.fit_statistics([(u.flatten(0, 1), target.flatten(0, 1)) for u, target in batches])
    for name, value in alone.statistics.state_dict().items():
        if name != "frozen":
            assert_close(first[f"statistics.{name}"], value, rtol=1e-9, atol=1e-9, msg=name)
