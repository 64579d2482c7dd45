"""What a process keeps in mind of a model's training: to look at data rarely, and to warn.

No answer of a model depends on it, and it is in no checkpoint.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from wavelit_plugin.model.config import WaveLiTConfig

SAMPLES = 256
"""Samples after which the statistics of the fields are frozen, and in a block to look at."""

ROUNDING = 1e-6
"""What varies less than this against its mean is a constant, and its variation rounding."""

# factors between the deviation that was learned and the one that came, from which they do not fit:
# over SAMPLES training samples, and over the first batch of an evaluation
_TRAINING, _EVALUATION = 10.0, 30.0

_RECIPE = (
    "if these are other data, call reset_running_stats() before training or "
    "fit_statistics(loader) (docs/fine-tuning.md)"
)


class Monitor:
    """Counts the samples that a model was trained on in this process, and compares a few.

    Attributes:
        looked: samples of training steps.
        grid: the training grid as it was last read, for which a graph is compiled.
        evaluated: whether an evaluation was compared with the statistics.
    """

    def __init__(self) -> None:
        self.looked = 0
        self.grid: tuple[int, ...] | None = None
        self.evaluated = False
        self._said: set[str] = set()
        self._count, self._total = 0, torch.zeros(())

    @property
    def looking(self) -> bool:
        """Whether the next training batch is looked at, for which a GPU is waited for.

        All of the first three blocks of SAMPLES samples are, and later every block whose number is
        a power of two.
        """
        block = self.looked // SAMPLES
        return block & (block - 1) == 0

    def see_grid(self, space: tuple[int, ...], read: Callable[[], tuple[int, ...] | None]) -> None:
        """Warn if a training batch is on another grid than the training grid."""
        if self.grid not in {None, space} and (grid := read()) not in {None, space}:
            self.say(
                "grid",
                f"a training batch has {space} points an axis, the first ones had {grid}: it is "
                f"trained on as it comes, and evaluation goes by the first; {_RECIPE}",
            )

    def see_learning(self, *, constant: bool, no_target: bool, alone: bool) -> None:
        """Warn of what makes the statistics that a training step learns of little use.

        Args:
            constant: nothing has varied in any sample so far.
            no_target: the scale of the output was never seen.
            alone: other processes train with statistics of their own.
        """
        if constant and self.looked >= SAMPLES:
            self.say(
                "constant",
                f"nothing varies in the first {self.looked} training samples, so nothing was "
                "learned of them; the statistics wait for data that do, or call "
                "fit_statistics(loader)",
            )
        if no_target:
            self.say(
                "target",
                "the scale of the output is not known, since no target was given in training and "
                "the input holds one frame; pass target= in training, or call "
                "fit_statistics(loader) with pairs",
            )
        if alone:
            self.say(
                "alone",
                f"each of {dist.get_world_size()} processes learns statistics of its own data; "
                "wrap the model in DistributedDataParallel with broadcast_buffers, or call "
                "fit_statistics(loader, across_ranks=True) on every rank before training",
            )

    def see_training(
        self, count: int, square: Tensor, scale: Tensor, mean: Tensor, config: WaveLiTConfig
    ) -> None:
        """Warn if SAMPLES training samples together do not fit what was learned.

        Args:
            count: samples of this batch.
            square: (quantity,), mean squares of this batch about the means that were learned, of
                input channels, then output channels, then conditions.
            scale: (quantity,), the deviations that were learned.
            mean: (quantity,), the means that were learned.
            config: of the model.
        """
        self._total = self._total + count * square if self._count else count * square
        self._count += count
        if self._count >= SAMPLES:
            square, self._count = self._total / self._count, 0
            self._see("training data", _TRAINING, (square, scale, mean), config)

    def see_evaluation(
        self, square: Tensor, scale: Tensor, mean: Tensor, config: WaveLiTConfig
    ) -> None:
        """Warn if an evaluated batch does not fit what was learned.

        A first frame may be quiet in some of its fields, so what is small counts only where all
        input channels are.
        """
        self.evaluated = True
        inputs = slice(config.in_channels)
        some = ((square.sqrt() >= scale / _EVALUATION) & (scale != 1.0))[inputs].any()
        square = torch.where(some, torch.maximum(square, scale.square() / _EVALUATION), square)
        self._see("evaluated data", _EVALUATION, (square, scale, mean), config)

    def say(self, kind: str, text: str) -> None:
        """Warn, once for each kind."""
        if kind not in self._said:
            self._said.add(kind)
            warnings.warn(text, UserWarning, stacklevel=6)

    def _see(
        self, what: str, factor: float, found: tuple[Tensor, ...], config: WaveLiTConfig
    ) -> None:
        square, scale, mean = found
        names = [f"input channel {index}" for index in range(config.in_channels)]
        names += [f"change of output channel {index}" for index in range(config.out_channels)]
        names += [f"condition {index}" for index in range(config.conditions)]
        rows = torch.stack([square.sqrt(), scale, mean], dim=1).tolist()
        misfits = []
        for name, (came, expected, middle) in zip(names, rows, strict=True):
            # a scale of exactly 1 is that of what has not varied, which keeps its units
            small = ROUNDING * abs(middle) < came < expected / factor and expected != 1.0
            if small or came > factor * expected:
                misfits.append(f"{name} is {came:.2g} off {middle:.2g}, expected {expected:.2g}")
        if misfits:
            more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
            self.say(
                "fit",
                f"the {what} do not fit the statistics of the model: {'; '.join(misfits[:3])}{more}"
                f". Predictions will be poor; {_RECIPE}",
            )


def learns_alone() -> bool:
    """Whether what this process learns in this forward is not handed on to the others."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return False
    wrapper = DistributedDataParallel._get_active_ddp_module()  # noqa: SLF001  (no public way)
    return wrapper is None or not wrapper.broadcast_buffers
