"""WaveLiT: wavelet tokens, shared blocks over a pyramid of scales, wavelet bands of the update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.model.checkpoint import check_tensors, read_checkpoint, write_checkpoint
from wavelit_plugin.model.conditions import ConditionEmbedding, Modulation
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.embedding import BandEmbedding, BandHead
from wavelit_plugin.model.frames import differences_and_constants, last_state, step_in_history
from wavelit_plugin.model.input_noise import with_noise
from wavelit_plugin.model.pyramid import FeaturePyramid
from wavelit_plugin.model.refinement import Refinement
from wavelit_plugin.model.resolution import coarsen, levels_apart, refine
from wavelit_plugin.model.statistics import FieldStatistics
from wavelit_plugin.model.texture import Texture
from wavelit_plugin.model.tokenizer import detokenize, tokenize
from wavelit_plugin.shapes import Field, check_field, check_same_shape, full_precision


class WaveLiT(nn.Module):
    """A neural PDE solver on regular grids in one, two or three dimensions.

    Input (batch, in_channels, *space) and output (batch, out_channels, *space) are in the units of
    the data: normalisation is inside, estimated on the first training batches and saved with the
    weights. Any grid size works; the output has the input's.

    Args:
        config: a WaveLiTConfig, for instance from ``WaveLiTConfig.preset``.

    >>> model = WaveLiT(WaveLiTConfig(in_channels=2, out_channels=1, width=8, heads=1, depth=1))
    >>> model(torch.zeros(1, 2, 9, 12)).shape
    torch.Size([1, 1, 9, 12])
    """

    trained_space: Tensor

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.config = config
        self.statistics = FieldStatistics(config, config.in_channels)
        self.embed = BandEmbedding(config)
        self.texture = Texture(config)
        self.condition = ConditionEmbedding(config) if config.conditions else None
        self.pyramid = FeaturePyramid(config)
        self.head = BandHead(config)
        channels = config.in_channels + config.out_channels
        self.refinement = Refinement(
            channels,
            config.out_channels,
            config.axes,
            config.width,
            checkpointing=config.activation_checkpointing,
        )
        # what the measured persistence is corrected by; absent where nothing can persist
        continues = config.channels.fields > 0 and config.residual != "off"
        self.persistence = nn.Parameter(torch.zeros(config.out_channels)) if continues else None
        # grid of the first training batch; zeros before
        self.register_buffer("trained_space", torch.zeros(config.ndim, dtype=torch.int64))
        self._trained: tuple[int, ...] | None = None
        self._compiled: Callable[[Field, Modulation | None], Field] | None = None
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            _restore_trained_space
        )

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
        check_field(u, ndim=self.config.ndim, channels=self.config.in_channels)
        _check_values(u, self.statistics.input_mean.dtype)
        modulation = self._modulation(u, condition)
        if self.training and self.statistics.learning:
            self._observe(u, target)
        if self.training and self._trained is None:
            self._remember_space(u)
        if self.training and self.config.noise and self.config.channels.fields:
            u = with_noise(u, self.config, self.statistics)
        space = tuple(u.shape[2:])
        levels = self._levels_apart(space)
        network = self._network() if self.training and self.config.compile else self._update
        update = network(self._resampled(u, levels), modulation)
        update = self._resampled(update, -levels)
        for axis, size in enumerate(space, start=2):
            update = update.narrow(axis, 0, size)
        return (self._continued(u, modulation) + update).to(u.dtype)

    def fit_statistics(self, loader: Iterable[object]) -> None:
        """Set the statistics from a whole data loader instead of the first training batches.

        Args:
            loader: yields inputs, pairs (input, target) or mappings with ``x`` and ``y``; with a
                process group, as many batches on every rank.

        Raises:
            DataError: NaN or infinity in the data; the statistics are then as before.
            ConfigError: the loader yields something else, or nothing.
        """
        before = {name: t.clone() for name, t in self.statistics.state_dict().items()}
        self.statistics.clear()
        try:
            self._observe_all(loader)
        except BaseException:
            self.statistics.load_state_dict(before)
            raise
        self.statistics.freeze()

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
        model.to(tensors["statistics.input_mean"].dtype)  # float64 models stay what they are
        model.load_state_dict(tensors)
        return model.eval()

    def __getstate__(self) -> dict[str, Any]:
        # a copy that kept it would go on with the weights of the original
        return {**super().__getstate__(), "_compiled": None}  # type: ignore[no-untyped-call]

    def _network(self) -> Callable[[Field, Modulation | None], Field]:
        if self._compiled is None:
            self._compiled = torch.compile(self._update)
        return self._compiled

    def _observe_all(self, loader: Iterable[object]) -> None:
        device = self.trained_space.device
        for batch in loader:
            u, target = _input_and_target(batch)
            self._observe(u.to(device), None if target is None else target.to(device))
        if int(self.statistics.inputs.samples) == 0:
            raise ConfigError("the loader yields no batch; statistics need at least one")

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _observe(self, u: Field, target: Field | None) -> None:
        state, after = last_state(u, self.config), target
        if target is not None:
            check_same_shape(target=target, output=state)
        elif (step := step_in_history(u, self.config)) is not None:
            state, after = step
        inputs = differences_and_constants(u, self.config)
        self.statistics.observe(inputs.detach(), state.detach(), after)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _remember_space(self, u: Field) -> None:
        self._trained = tuple(u.shape[2:])
        self.trained_space.copy_(torch.tensor(self._trained))

    def _levels_apart(self, space: tuple[int, ...]) -> int:
        if self._trained is None or self.config.resolution == "native":
            return 0
        return levels_apart(space, self._trained)

    def _resampled(self, u: Field, levels: int) -> Field:
        if levels > 0:
            return coarsen(u, levels, self.config.axes)
        return refine(u, -levels, self.config.axes)

    def _modulation(self, u: Field, condition: Tensor | None) -> Modulation | None:
        expected = (u.shape[0], self.config.conditions)
        got = (u.shape[0], 0) if condition is None else tuple(condition.shape)
        if got != expected:
            raise ShapeError(
                f"condition must have shape {expected} (batch, conditions), got "
                f"{None if condition is None else got}; pass one row of scalars a sample"
            )
        if self.condition is None or condition is None:
            return None
        return self.condition(condition)

    def _update(self, u: Field, modulation: Modulation | None) -> Field:
        """The change, in the units of the output, on the grid of ``u``."""
        known, view = self.statistics, (1, -1, *(1,) * self.config.ndim)
        inputs = full_precision(differences_and_constants(u, self.config))
        inputs = inputs - known.input_mean.view(view)
        levels = self.config.levels_on(self._trained or u.shape[2:])
        # fewer coefficients than the embedding has columns for: as large together as all
        share = 2.0 ** ((levels - self.config.levels) * self.config.ndim / 2)
        x = self.embed(tokenize(inputs, self.config, levels), known.input_scale * share)
        inner, outer = (s.view(view) for s in known.field_scales())
        inputs = inputs / inner
        x = x + self.texture(inputs, levels)
        x = self.pyramid(x, None if modulation is None else modulation.blocks)
        bands = self.head(x, known.output_scale)
        update = detokenize(bands, tuple(u.shape[2:]), self.config, levels)
        refined = self.refinement(torch.cat([update / outer, inputs], dim=1))
        update = update + outer * refined
        if modulation is None:
            return update
        return update * (1 + modulation.gain.view(*modulation.gain.shape, *view[2:]))

    def _continued(self, u: Field, modulation: Modulation | None) -> Tensor:
        """What is expected without the network: the mean, and the persistent part of the state."""
        known, view = self.statistics, (1, -1, *(1,) * self.config.ndim)
        mean = known.output_mean.view(view)
        if self.persistence is None:
            return mean
        state = full_precision(last_state(u, self.config)) - known.state_mean.view(view)
        share = (known.persistence + self.persistence).view(view)
        if modulation is not None:
            persistence = modulation.persistence
            share = share + persistence.view(*persistence.shape, *view[2:])
        return torch.addcmul(mean, share, state)


def _restore_trained_space(module: nn.Module, _keys: object) -> None:
    if isinstance(module, WaveLiT):
        space = tuple(int(size) for size in module.trained_space)
        module._trained = space if all(space) else None  # noqa: SLF001  (a hook of this class)


def _check_values(u: Tensor, own: torch.dtype) -> None:
    """Raise ShapeError unless the input has a dtype that goes with the model's."""
    needed = own if u.dtype in {torch.float16, torch.bfloat16} else u.dtype
    if needed != own or own not in {torch.float32, torch.float64}:
        raise ShapeError(
            f"the input is {u.dtype} and the model {own}; give a float32 model float32 or half "
            "precision (half precision inside is autocast's task), and a float64 model float64"
        )


def _input_and_target(batch: object) -> tuple[Tensor, Tensor | None]:
    if isinstance(batch, Mapping) and isinstance(batch.get("x"), Tensor):
        return batch["x"], batch.get("y")
    if isinstance(batch, Tensor):
        return batch, None
    if isinstance(batch, Sequence) and batch and isinstance(batch[0], Tensor):
        return batch[0], batch[1] if len(batch) > 1 else None
    raise ConfigError(
        "the loader must yield tensors, (input, target) pairs or mappings with 'x' and 'y', got "
        f"{type(batch).__name__}"
    )
