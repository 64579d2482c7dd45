"""Train on one data set and go on with another, in other units and on a finer grid.

python fine_tune.py
"""

import copy
import warnings

import torch
from torch import Tensor

from wavelit_plugin import WaveLiT, WaveLiTConfig
from wavelit_plugin.metrics import vrmse


def transport(
    samples: int, points: int, *, seed: int, unit: float = 1.0, mean: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return smooth periodic fields, and the same a sixteenth of the domain further on."""
    rng = torch.Generator().manual_seed(seed)
    numbers = torch.fft.fftfreq(points, 1 / points).square()
    numbers = numbers[:, None] + numbers[: points // 2 + 1]
    noise = torch.fft.rfft2(torch.randn(samples, 1, points, points, generator=rng))
    u = torch.fft.irfft2(noise * torch.exp(-numbers / 20))
    u = mean + unit * u / u.std()
    return u, u.roll(points // 16, -1)


def train(model: WaveLiT, data: tuple[Tensor, Tensor], steps: int) -> WaveLiT:
    """Train on batches of eight."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = list(zip(*(part.split(8) for part in data), strict=True))
    model.train()
    for step in range(steps):
        u, target = batches[step % len(batches)]
        loss = vrmse(model(u, target=target), target).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@torch.no_grad()
def error(model: WaveLiT, data: tuple[Tensor, Tensor]) -> float:
    """Return the mean error, 1 for a model that knows the mean alone."""
    return float(vrmse(model(data[0]), data[1]).mean())


torch.manual_seed(0)
config = WaveLiTConfig.preset(
    "waveliT", in_channels=1, out_channels=1, boundary="periodic", width=16, heads=1, depth=1
)
untrained = WaveLiT(config)
pretrained = train(copy.deepcopy(untrained), transport(64, 32, seed=1), steps=100)

# in other units, on another grid, and few
few = transport(16, 48, seed=2, unit=1000.0, mean=50_000.0)
test = transport(16, 48, seed=3, unit=1000.0, mean=50_000.0)

from_scratch = train(copy.deepcopy(untrained), few, steps=20)

as_it_is = copy.deepcopy(pretrained)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that the data do not fit the statistics
    train(as_it_is, few, steps=20)
    print(f"as it is      {error(as_it_is, test):.2f}")

model = copy.deepcopy(pretrained)
model.reset_running_stats()
model.fit_statistics([few])
train(model, few, steps=20)
print(f"fine-tuned    {error(model, test):.2f}")

print(f"from scratch  {error(from_scratch, test):.2f}")
