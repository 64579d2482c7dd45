"""Batches of several data sets: one of them a step, drawn by weight.

What a step learns depends on its number and the seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import cast

import torch
from torch import Tensor, nn

from wavelit_plugin.compare.batches import draw_batches
from wavelit_plugin.compare.transfer.datasets import TransferDataset
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import JointWaveLiT


def drawn_order(weights: Mapping[str, float], steps: int, seed: int) -> list[str]:
    """Return the data set of every step: as many steps each as its weight says, shuffled.

    >>> drawn_order({"a": 3.0, "b": 1.0}, steps=8, seed=0).count("a")
    6
    """
    shares = torch.tensor([*weights.values()], dtype=torch.float64)
    ends = (shares.cumsum(0) / shares.sum() * steps).round().long()
    counts = ends.diff(prepend=ends.new_zeros(1))
    each = torch.arange(len(shares)).repeat_interleave(counts)
    generator = torch.Generator().manual_seed(seed)
    names = list(weights)
    return [names[i] for i in each[torch.randperm(steps, generator=generator)].tolist()]


class JointBatches:
    """What a joint model learns.

    Args:
        datasets: all that there are; those with a weight are learnt.
        weights: how often each is drawn, by name, relative to the others.
        steps: optimizer steps in all.
        batch_size: samples a step, all of one data set.
        seed: of the order of data sets and samples.

    Raises:
        ConfigError: there are no data for one of the weights.
    """

    def __init__(
        self,
        datasets: Sequence[TransferDataset],
        weights: Mapping[str, float],
        *,
        steps: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self.datasets = {one.name: one for one in datasets}
        if missing := sorted(weights.keys() - self.datasets.keys()):
            raise ConfigError(
                f"there are no data for {', '.join(missing)}; give them, or no weight"
            )
        self._order = iter(drawn_order(weights, steps, seed))
        self._samples = {
            name: draw_batches(self.datasets[name].count, batch_size, seed) for name in weights
        }

    def loss(self, model: nn.Module, _progress: float) -> Tensor:
        """Draw the next batch, and return the model's loss on it.

        Weights of names that its data set lacks get no gradient, and so no step and no decay.
        """
        name = next(self._order)
        dataset, joint = self.datasets[name], cast(JointWaveLiT, model)
        x, y = dataset.batch(next(self._samples[name]))
        return dataset.loss(joint(x, name, target=y), y)

    def skip(self, steps: int) -> None:
        """Leave out the batches of steps that are done."""
        for name in islice(self._order, steps):
            next(self._samples[name])
