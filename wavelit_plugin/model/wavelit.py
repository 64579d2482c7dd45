"""WaveLiT: wavelet tokens, attention blocks, wavelet bands of the update, a feature pyramid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.model.block import Trunk
from wavelit_plugin.model.checkpoint import check_tensors, read_checkpoint, write_checkpoint
from wavelit_plugin.model.conditions import ConditionEmbedding, Modulation
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.embedding import BandEmbedding, BandHead
from wavelit_plugin.model.frames import differences_and_constants, last_state
from wavelit_plugin.model.input_noise import with_noise
from wavelit_plugin.model.normalizer import Normalizer, Scales
from wavelit_plugin.model.pyramid import FeaturePyramid
from wavelit_plugin.model.resolution import coarsen, levels_apart, refine
from wavelit_plugin.model.texture import Texture
from wavelit_plugin.model.tokenizer import detokenize, tokenize
from wavelit_plugin.shapes import Field, check_field, check_tensor, full_precision


class WaveLiT(nn.Module):
    """A neural PDE solver on regular grids in one, two or three dimensions.

    Input (batch, in_channels, *space) and output (batch, out_channels, *space) are in the units of
    the data: normalisation is inside, estimated on the first training batches and saved with the
    weights. A batch is learned from when its gradient is computed; a call without one leaves no
    trace. Any grid size works; the output has the input's.

    With DistributedDataParallel the statistics are those of rank 0. Elsewhere each process has its
    own, unless ``fit_statistics`` sets them.

    Args:
        config: a WaveLiTConfig, for instance from ``WaveLiTConfig.preset``.

    >>> model = WaveLiT(WaveLiTConfig(in_channels=2, out_channels=1, width=8, heads=1, depth=1))
    >>> model(torch.zeros(1, 2, 9, 12)).shape
    torch.Size([1, 1, 9, 12])
    """

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.config = config
        self.normalizer = Normalizer(config)
        self.embed = BandEmbedding(config)
        self.texture = Texture(config) if config.texture else None
        self.condition = ConditionEmbedding(config) if config.conditions else None
        self.trunk = Trunk(config)
        self.head = BandHead(config)
        self.pyramid = FeaturePyramid(
            config.in_channels + config.out_channels,
            config.out_channels,
            config.axes,
            config.features,
            config.pyramid_scales,
            checkpointing=config.activation_checkpointing,
        )
        # what the measured persistence is corrected by; absent where nothing can persist
        continues = config.channels.fields > 0 and config.residual != "off"
        self.persistence = nn.Parameter(torch.zeros(config.out_channels)) if continues else None
        self._compiled: Callable[..., Field] | None = None

    def forward(
        self, u: Field, condition: Tensor | None = None, *, target: Field | None = None
    ) -> Field:
        """Predict.

        Args:
            u: (batch, in_channels, *space).
            condition: (batch, conditions) scalars in any units, if the model has conditions.
            target: (batch, out_channels, *space); looked at in training only, and only until the
                statistics are frozen, to set the scales of the output.

        Raises:
            ShapeError: wrong axes, channels, dtype or conditions, or another shape of target.
            DataError: NaN or infinity while the statistics are estimated.
        """
        self._check(u, target)
        self._check_condition(u, condition)
        known, keep = self.normalizer(u, condition, target)
        modulation = None
        if self.condition is not None and condition is not None:
            middle = condition.to(known.condition_mean.dtype) - known.condition_mean
            modulation = self.condition(middle / known.condition_scale)
        if self.training and self.config.noise and self.config.channels.fields:
            u = with_noise(u, self.config, self.normalizer.bands, known)
        change = self._in_training if self.training else self._in_evaluation
        out = self._continued(u, modulation, known) + change(u, modulation, known)
        out = out.to(u.dtype)
        if keep is not None and out.requires_grad:
            out.register_hook(lambda _: keep())
        return out

    def fit_statistics(self, loader: Iterable[object], *, across_ranks: bool = False) -> None:
        """Set the statistics from a whole data loader instead of the first training batches.

        Args:
            loader: yields inputs, pairs (input, target) or mappings with ``x`` and ``y``.
            across_ranks: measure the batches of all processes of the default group together; then
                every process has to call this, with any number of batches. Not needed with
                DistributedDataParallel, which hands on what rank 0 has.

        Raises:
            DataError: NaN or infinity in the data. Whatever is raised, the statistics are then as
                before.
            ShapeError: a batch that the model would not take.
            ConfigError: the loader yields something else, or nothing that varies.
        """
        self.normalizer.fit(loader, self._check, across_ranks=across_ranks)

    def reset_running_stats(self) -> None:
        """Forget the statistics and the training grid; the next training steps set them anew.

        For fine-tuning on other data. The weights stay.
        """
        self.normalizer.clear()

    def save(self, path: str | Path) -> None:
        """Write weights, statistics and configuration to one safetensors file, atomically.

        Raises:
            DataError: the folder does not exist.
        """
        write_checkpoint(Path(path), self.config, self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> WaveLiT:
        """Return the model that ``save`` wrote, on the CPU, in evaluation mode.

        Raises:
            DataError: the file is missing, truncated or something else.
            ConfigError: it was written in another version of the format.
        """
        config, tensors = read_checkpoint(Path(path))
        model = cls(config)
        check_tensors(Path(path), tensors, model.state_dict())
        model.to(tensors["normalizer.input_mean"].dtype)  # float64 models stay what they are
        model.load_state_dict(tensors)
        return model.eval()

    def __getstate__(self) -> dict[str, Any]:
        # a copy that kept it would go on with the weights of the original
        return {**super().__getstate__(), "_compiled": None}  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> WaveLiT:
        """Set training or evaluation mode."""
        super().train(mode)
        self.normalizer.read_grid()  # for which an evaluation is compiled
        return self

    def _check(self, u: Field, target: Field | None) -> None:
        """Raise ShapeError unless the model can take these."""
        check_field(u, ndim=self.config.ndim, channels=self.config.in_channels)
        own = self.normalizer.input_mean
        _check_values(u, own.dtype)
        if u.device != own.device:
            raise ShapeError(
                f"the input is on {u.device} and the model on {own.device}; move one with "
                f".to({str(own.device)!r})"
            )
        if target is None:
            return
        check_field(target, ndim=self.config.ndim, name="target")
        expected = (u.shape[0], self.config.out_channels, *u.shape[2:])
        if tuple(target.shape) != expected or target.device != u.device:
            raise ShapeError(
                f"target must have the output's shape {expected} and be on {u.device}, got "
                f"{tuple(target.shape)} on {target.device}; pass what the input becomes"
            )

    def _in_training(self, u: Field, modulation: Modulation | None, known: Scales) -> Field:
        """Return the update, on the grid as it comes."""
        network: Callable[..., Field] = self._update
        if self.config.compile:
            self._compiled = network = self._compiled or torch.compile(self._update)
        return network(u, modulation, known, self.config.levels_on(u.shape[2:]))

    def _in_evaluation(self, u: Field, modulation: Modulation | None, known: Scales) -> Field:
        """Return the update, computed at the spacing of the training grid."""
        self.normalizer.compare_in_evaluation(u)
        space, grid = tuple(u.shape[2:]), self.normalizer.read_grid()
        apart = 0
        if grid is not None and self.config.resolution == "aligned":
            apart = levels_apart(space, grid)
        levels = self.config.levels_on(grid or space)
        update = self._update(self._resampled(u, apart), modulation, known, levels)
        update = self._resampled(update, -apart)
        for axis, size in enumerate(space, start=2):
            update = update.narrow(axis, 0, size)
        return update

    def _resampled(self, u: Field, levels: int) -> Field:
        if levels > 0:
            return coarsen(u, levels, self.config.axes)
        return refine(u, -levels, self.config.axes)

    def _check_condition(self, u: Field, condition: Tensor | None) -> None:
        expected = (u.shape[0], self.config.conditions)
        got: tuple[int, ...] = (u.shape[0], 0)
        if condition is not None:
            if not isinstance(condition, Tensor) or condition.is_complex():
                check_tensor(condition, name="condition")  # whole numbers are taken too
            got = tuple(condition.shape)
        if got != expected:
            raise ShapeError(
                f"condition must have shape {expected} (batch, conditions), got "
                f"{None if condition is None else got}; pass one row of scalars a sample"
            )
        if condition is not None and condition.device != u.device:
            raise ShapeError(
                f"the condition is on {condition.device} and the input on {u.device}; move one"
            )

    def _update(self, u: Field, modulation: Modulation | None, known: Scales, levels: int) -> Field:
        """The change, in the units of the output, on the grid of ``u``."""
        view = (1, -1, *(1,) * self.config.ndim)
        inputs = full_precision(differences_and_constants(u, self.config))
        inputs = inputs - known.input_mean.view(view)
        # fewer coefficients than the embedding has columns for: as large together as all
        share = 2.0 ** ((levels - self.config.levels) * self.config.ndim / 2)
        x = self.embed(tokenize(inputs, self.config, levels), known.input_scale * share)
        inner, outer = (s.view(view) for s in self.normalizer.field_scales(known))
        inputs = inputs / inner
        if self.texture is not None:
            x = x + self.texture(inputs, levels)
        x = self.trunk(x, None if modulation is None else modulation.blocks)
        bands = self.head(x, known.output_scale)
        update = detokenize(bands, tuple(u.shape[2:]), self.config, levels)
        correction = self.pyramid(torch.cat([update / outer, inputs], dim=1))
        update = update + outer * correction
        if modulation is None:
            return update
        return update * (1 + modulation.gain.view(*modulation.gain.shape, *view[2:]))

    def _continued(self, u: Field, modulation: Modulation | None, known: Scales) -> Tensor:
        """What is expected without the network: the mean, and the persistent part of the state."""
        view = (1, -1, *(1,) * self.config.ndim)
        mean = known.output_mean.view(view)
        if self.persistence is None:
            return mean
        state = full_precision(last_state(u, self.config)) - known.state_mean.view(view)
        share = (known.persistence + self.persistence).view(view)
        if modulation is not None:
            persistence = modulation.persistence
            share = share + persistence.view(*persistence.shape, *view[2:])
        return torch.addcmul(mean, share, state)


def parameters_of(config: WaveLiTConfig) -> int:
    """Return how many parameters a model has, without building one in memory."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in WaveLiT(config).parameters())


def _check_values(u: Tensor, own: torch.dtype) -> None:
    """Raise ShapeError unless the input has a dtype that goes with the model's."""
    needed = own if u.dtype in {torch.float16, torch.bfloat16} else u.dtype
    if needed != own or own not in {torch.float32, torch.float64}:
        more = " (half precision inside is autocast's task)"
        if own in {torch.float16, torch.bfloat16}:
            more = "; its weights cannot be half precision: call model.float() and use autocast"
        raise ShapeError(
            f"the input is {u.dtype} and the model {own}; give a float32 model float32 or half "
            f"precision, and a float64 model float64{more}"
        )
