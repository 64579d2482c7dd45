"""PDEArena: models for its two registries, as it builds and calls them.

Its batches are (batch, frame, field, *space): scalar fields, then the components of the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from wavelit_plugin.autoload.records import Refusal, Registration, add_key
from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.hosts.layout import Frames, channels_to_frames, check_free, frames_to_channels
from wavelit_plugin.hosts.target import TargetShown
from wavelit_plugin.model import PRESETS, ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.shapes import check_int

# the host recognises it by the word in its name, and then says nothing of the fields
MAXWELL = "waveliT-Maxwell3D"
_MAXWELL_FIELDS = {
    "n_input_scalar_components": 0,
    "n_output_scalar_components": 0,
    "n_input_vector_components": 2,
    "n_output_vector_components": 2,
    "n_dims": 3,
}


class WaveLiTFields(TargetShown):
    """WaveLiT on frames of scalar and vector fields; delegates to ``core``.

    Args:
        n_input_scalar_components: scalar fields.
        n_output_scalar_components: the same number.
        n_input_vector_components: vector fields, each of one component an axis.
        n_output_vector_components: the same number.
        time_history: input frames, oldest first.
        time_future: output frames.
        preset: ``waveliT`` or another preset.
        n_dims: space axes.
        activation: what the host hands to all its models; WaveLiT has its own.
        **knobs: any knob of WaveLiTConfig.

    Raises:
        ConfigError: other fields out than in, or a knob that is unknown or out of range.
    """

    def __init__(
        self,
        *,
        n_input_scalar_components: int,
        n_output_scalar_components: int,
        n_input_vector_components: int,
        n_output_vector_components: int,
        time_history: int,
        time_future: int,
        preset: str = "waveliT",
        n_dims: int = 2,
        activation: str = "",
        **knobs: Any,
    ) -> None:
        super().__init__()
        del activation
        check_free(knobs, "in_channels", "out_channels", "ndim")
        for name, value, least in (
            ("n_input_scalar_components", n_input_scalar_components, 0),
            ("n_output_scalar_components", n_output_scalar_components, 0),
            ("n_input_vector_components", n_input_vector_components, 0),
            ("n_output_vector_components", n_output_vector_components, 0),
            ("time_history", time_history, 1),
            ("time_future", time_future, 1),
            ("n_dims", n_dims, 1),
        ):
            check_int(name, value, least)
        fields = (n_input_scalar_components, n_input_vector_components)
        wanted = (n_output_scalar_components, n_output_vector_components)
        if fields != wanted:
            raise ConfigError(
                f"waveliT predicts the fields that it is given, got {fields} (scalars, vectors) "
                f"in and {wanted} out; ask for the same"
            )
        names = field_names(*fields, ndim=n_dims)
        self.frames, self.fields, self.frames_out = time_history, names, time_future
        vectors = tuple(
            tuple(range(first, first + n_dims)) for first in range(fields[0], len(names), n_dims)
        )
        known = {"ndim": n_dims, **self.meaning(vectors), **knobs}
        self.core = WaveLiT(
            WaveLiTConfig.preset(
                preset,
                in_channels=time_history * len(names),
                out_channels=time_future * len(names),
                **known,
            )
        )

    def meaning(self, vectors: tuple[tuple[int, ...], ...]) -> dict[str, object]:
        """Return the knobs that say what the channels are: here, fields that go on in time."""
        layout = ChannelLayout(
            frames=self.frames,
            fields=len(self.fields),
            frames_out=self.frames_out,
            vectors=vectors,
            names=self.fields,
        )
        return {"layout": layout, "residual": "on"}

    def forward(self, x: Frames) -> Frames:
        """Map (batch, time_history, field, *space) to (batch, time_future, field, *space)."""
        return self._predict(x, None)

    def _predict(self, x: Frames, condition: Tensor | None) -> Frames:
        self._check(x)
        seen = self._next_target()
        target = None if seen is None else frames_to_channels(seen)
        return channels_to_frames(
            self.core(frames_to_channels(x), condition, target=target), self.frames_out
        )

    def _check(self, x: Frames) -> None:
        axes = self.core.config.ndim + 3
        expected = (self.frames, len(self.fields))
        if x.ndim != axes or tuple(x.shape[1:3]) != expected:
            raise ShapeError(
                f"waveliT was built for {expected[0]} frames of {expected[1]} fields on "
                f"{axes - 3} axes, (batch, frame, field, *space), got {tuple(x.shape)}; are the "
                "trajectories shorter than time_history, or is the task another one?"
            )


class ConditionedWaveLiTFields(WaveLiTFields):
    """The same, conditioned on the time step and perhaps on scalar parameters.

    Args:
        param_conditioning: None, ``scalar`` or ``scalar_N`` for N parameters a sample.
        n_dims: space axes. PDE-Refiner alone gives it, and its model removes noise from the last
            frames: the output is then another quantity than the input, and continues nothing.
        **others: as WaveLiTFields.

    Raises:
        ConfigError: another kind of parameters, and as WaveLiTFields.
    """

    def __init__(
        self,
        *,
        param_conditioning: str | None = None,
        n_dims: int | None = None,
        **others: Any,
    ) -> None:
        check_free(others, "conditions")
        self.denoises = n_dims is not None
        self.parameters_given = parameter_count(param_conditioning)
        conditions = 1 + self.parameters_given
        axes = 2 if n_dims is None else n_dims
        super().__init__(n_dims=axes, conditions=conditions, **others)

    def meaning(self, vectors: tuple[tuple[int, ...], ...]) -> dict[str, object]:
        """As fields that go on in time, unless the model removes noise."""
        if not self.denoises:
            return super().meaning(vectors)
        layout = ChannelLayout(fields=0, constants=self.frames * len(self.fields))
        return {"layout": layout, "residual": "off"}

    def forward(  # type: ignore[override]
        self, x: Frames, time: Tensor, z: Tensor | None = None
    ) -> Frames:
        """Map frames as WaveLiTFields does.

        Args:
            x: (batch, time_history, field, *space).
            time: (batch,) time step, or step of the refinement.
            z: (batch,) or (batch, parameter), if the model has parameters.

        Raises:
            ShapeError: other frames or fields, or parameters missing.
        """
        rows = [time.reshape(len(x), -1)]
        if self.parameters_given:
            if z is None:
                raise ShapeError(
                    f"waveliT needs {self.parameters_given} parameters a sample, got none; set "
                    "param_conditioning to null or use data that have them"
                )
            rows.append(z.reshape(len(x), -1))
        own = self.core.normalizer.input_mean
        return self._predict(x, torch.cat([row.to(own) for row in rows], dim=1))


class Entry(dict[str, Any]):
    """A registry's entry. The host copies it shallowly and then writes into what it holds."""

    def copy(self) -> Entry:
        """Return a copy that shares nothing."""
        return Entry(deepcopy(dict(self)))


def register_models(module: ModuleType) -> Iterator[Registration | Refusal]:
    """Add every preset to both registries, and the 3-D model of Maxwell's equations.

    The host's files do not say what the domain's ends are, so each comes under two names: as it
    is for any domain, and with ``-periodic`` for one that wraps around on all axes.
    """
    for suffix, knobs in (("", {}), ("-periodic", {"boundary": "periodic"})):
        for name in PRESETS:
            entry = _entry(WaveLiTFields, preset=name, **knobs)
            yield add_key(module.MODEL_REGISTRY, f"{name}{suffix}", entry)
        entry = _entry(WaveLiTFields, **_MAXWELL_FIELDS, **knobs)
        yield add_key(module.MODEL_REGISTRY, f"{MAXWELL}{suffix}", entry)
        for name in PRESETS:
            entry = _entry(ConditionedWaveLiTFields, preset=name, **knobs)
            added = add_key(module.COND_MODEL_REGISTRY, f"{name}{suffix}", entry)
            yield replace(added, name=f"{name}{suffix} (conditioned)")


def field_names(scalars: int, vectors: int, *, ndim: int) -> tuple[str, ...]:
    """Return the names of the fields in the host's order.

    >>> field_names(1, 1, ndim=2)
    ('scalar0', 'vector0_x', 'vector0_y')
    """
    axes = "xyz"[:ndim]
    names = [f"scalar{i}" for i in range(scalars)]
    return (*names, *(f"vector{i}_{axis}" for i in range(vectors) for axis in axes))


def parameter_count(kind: str | None) -> int:
    """Return how many scalars the host's ``param_conditioning`` stands for.

    >>> parameter_count("scalar_2")
    2
    """
    if kind is None:
        return 0
    word, _, number = str(kind).partition("_")
    if word != "scalar" or not (number.isdigit() or kind == "scalar"):
        raise ConfigError(
            f"param_conditioning must be null, scalar or scalar_N, got {kind!r}; correct it"
        )
    return int(number or 1)


def _entry(kind: type[nn.Module], **init: object) -> Entry:
    return Entry(class_path=f"{kind.__module__}.{kind.__qualname__}", init_args=init)
