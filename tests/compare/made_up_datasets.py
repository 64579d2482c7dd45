"""Data sets of a joint model that are made up in no time: what they lack is physics."""

import torch

from wavelit_plugin.compare.transfer.datasets import TransferDataset, held
from wavelit_plugin.data.readers import GridData, Pairs, continued
from wavelit_plugin.plugins.datasets import Trajectories


def made_up(
    name: str = "waves",
    fields: tuple[str, ...] = ("p", "v"),
    constants: tuple[str, ...] = (),
    size: tuple[int, ...] = (8, 6),
    boundary: str = "periodic",
    shift: float = 0.0,
    scale: float = 3.0,
    still: bool = False,
) -> GridData:
    """Return splits of 4, 2 and 2 trajectories of 5 frames.

    They are noise that decays, and wanders unless it is ``still``.
    """
    generator = torch.Generator().manual_seed(len(name) + 10 * len(fields))

    def draw(count: int) -> Trajectories:
        noise = torch.randn(count, len(fields), *size, generator=generator)
        frames = [noise.roll(0 if still else step, dims=2) * 0.9**step for step in range(5)]
        held = torch.randn(count, len(constants), *size, generator=generator)
        return Trajectories(scale * torch.stack(frames, dim=1) + shift, held, torch.empty(count, 0))

    train, valid, test = draw(4), draw(2), draw(2)
    return GridData(
        name=name,
        fields=fields,
        constants=constants,
        boundary=(boundary,) * len(size),
        continues=True,
        train=continued(train),
        valid=continued(valid),
        test=continued(test),
        trajectories=test,
    )


def dataset(name: str = "waves", **how: object) -> TransferDataset:
    return held(made_up(name, **how), "cpu")  # type: ignore[arg-type]


def times(pairs: Pairs, factor: float) -> Pairs:
    """Return pairs whose targets are multiplied."""
    return Pairs(pairs.x, factor * pairs.y)
