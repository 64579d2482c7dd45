"""The Well: a model for its Hydra configurations, and its wavelet loss.

Its formatter makes (batch, frame * field + constant, *space) of a batch, frame by frame, oldest
first; the model returns (batch, field, *space), the next frame. Losses see (batch, frame, *space,
field) and return one number for each frame and field.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from wavelit_plugin.errors import ConfigError, HostError, unknown_name
from wavelit_plugin.hosts.layout import channels_to_frames, check_free, frames_to_channels
from wavelit_plugin.hosts.target import TargetShown
from wavelit_plugin.hosts.the_well.samples import FiniteSamples
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.shapes import Boundary, Field, check_int

_LOSS_OPTIONS = ("levels", "wavelet", "exponent", "whitening")

ChannelsLast = Float[Tensor, "batch _frame *_space_and_field"]
"""What the host's losses are given: the field on the last axis."""


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """What a data set of the host says of itself, in the order of its channels.

    Attributes:
        fields: names of the fields that evolve.
        constants: names of the constant fields.
        vectors: groups of field numbers that are the components of one vector or tensor.
        boundary: what each axis does at its ends.
    """

    fields: tuple[str, ...]
    constants: tuple[str, ...]
    vectors: tuple[tuple[int, ...], ...]
    boundary: tuple[Boundary, ...]


class WaveLiTModel(TargetShown):
    """WaveLiT as the host's ``train.py`` builds a model; delegates to ``core``.

    Args:
        dim_in: input channels, ``n_steps_input`` times the fields and then the constants.
        dim_out: fields.
        n_spatial_dims: space axes.
        spatial_resolution: points along each; WaveLiT takes any, so only their number counts.
        n_steps_input: frames in the input.
        preset: ``waveliT`` or another preset.
        dataset: keyword arguments of the host's WellDataset, such as ``well_base_path`` and
            ``well_dataset_name``; where given, the names of the fields, what their components
            are and the boundary are read from its training split.
        train_dataset: class of the training data; a model for ``DeltaWellDataset`` predicts
            the change itself, and continues nothing.
        **knobs: any knob of WaveLiTConfig; None leaves it to the preset or the data set.

    Raises:
        ConfigError: channels that contradict each other or the data set, or a knob that is
            unknown or out of range.
    """

    def __init__(
        self,
        *,
        dim_in: int,
        dim_out: int,
        n_spatial_dims: int,
        spatial_resolution: Sequence[int],
        n_steps_input: int = 1,
        preset: str = "waveliT",
        dataset: Mapping[str, Any] | None = None,
        train_dataset: str = "",
        **knobs: Any,
    ) -> None:
        super().__init__()
        check_free(knobs, "in_channels", "out_channels", "ndim", "conditions")
        axes = _axes(spatial_resolution)
        for name, value in (
            ("dim_in", dim_in),
            ("dim_out", dim_out),
            ("n_spatial_dims", n_spatial_dims),
            ("n_steps_input", n_steps_input),
        ):
            check_int(name, value, 1)
        constants = dim_in - n_steps_input * dim_out
        if constants < 0 or axes != n_spatial_dims:
            raise ConfigError(
                f"{n_steps_input} frames of {dim_out} fields do not fit into {dim_in} channels on "
                f"{n_spatial_dims} axes of {tuple(spatial_resolution)} points; set n_steps_input "
                "to that of the data"
            )
        facts = None if dataset is None else read_facts(dataset)
        if facts is not None:
            _check_channels(facts, fields=dim_out, constants=constants)
        layout = ChannelLayout(
            frames=n_steps_input,
            fields=dim_out,
            constants=constants,
            vectors=facts.vectors if facts else (),
            names=facts.fields if facts else (),
        )
        # the host normalises changes and fields by different numbers
        changes = str(train_dataset).rpartition(".")[2] == "DeltaWellDataset"
        known: dict[str, Any] = {"residual": "off" if changes else "on"}
        if facts is not None:
            known["boundary"] = facts.boundary
        given = {name: _plain(value) for name, value in knobs.items() if value is not None}
        channels = {"in_channels": dim_in, "out_channels": dim_out, "ndim": n_spatial_dims}
        self.core = WaveLiT(
            WaveLiTConfig.preset(preset, **channels, **{"layout": layout, **known, **given})
        )

    def forward(self, input: Field) -> Field:  # noqa: A002  (the host's models call it so)
        """Map (batch, n_steps_input * field + constant, *space) to (batch, field, *space)."""
        target = self._next_target()
        return self.core(input, target=None if target is None else target.to(input.device))


class WaveletMetric(nn.Module):
    """The wavelet loss in the host's interface: unreduced over batch, frame and field.

    Args:
        base: ``vrmse``, or None for the wavelet term alone.
        weight: of the wavelet term.
        boundary: as for ``wavelet_loss``; None takes it from the metadata: periodic where that
            is the data set's only kind, else open. Wavelets but ``haar`` need ``periodic``.
        **options: levels, wavelet, exponent and whitening, see ``wavelet_loss``.

    Raises:
        ConfigError: a value out of range or an unknown name.
    """

    def __init__(
        self,
        *,
        base: Any = "vrmse",
        weight: float = 0.1,
        boundary: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        for name in options:
            if name not in _LOSS_OPTIONS:
                raise unknown_name("WaveletMetric option", name, _LOSS_OPTIONS)
        options = {"base": base, "weight": weight, "reduction": "none", **options}
        known = ("periodic", "open") if boundary is None else (_plain(boundary),)
        # both are checked now: the data set is known at the first call only
        self.losses = nn.ModuleList([WaveletLoss(**options, boundary=name) for name in known])

    def forward(
        self, prediction: ChannelsLast, reference: ChannelsLast, metadata: Any, **_options: object
    ) -> Float[Tensor, "batch frame field"]:
        """Return the loss of each frame and field."""
        frames = prediction.shape[1]
        loss = self.losses[0 if is_periodic(metadata) else -1]
        pair = [channels_first(u) for u in (prediction, reference)]
        return channels_to_frames(loss(*pair), frames)


def channels_first(u: ChannelsLast) -> Field:
    """Return (batch, frame, *space, field) as (batch, frame * field, *space)."""
    return frames_to_channels(u.movedim(-1, 2))


def is_periodic(metadata: Any) -> bool:
    """Whether the host's metadata know of no other boundary than a periodic one."""
    return {str(kind).upper() for kind in metadata.boundary_condition_types} == {"PERIODIC"}


def read_facts(dataset: Mapping[str, Any]) -> DatasetFacts:
    """Return what the training split of a data set says of itself.

    Warns where its first sample holds NaN, which no model is shown.

    Args:
        dataset: keyword arguments of the host's WellDataset.

    Raises:
        HostError: The Well is not installed.
        ConfigError: an option that WellDataset does not have.
    """
    try:
        from the_well.data import WellDataset
    except ModuleNotFoundError as error:
        if error.name != "the_well":
            raise  # installed but broken: its own error says more than ours
        raise HostError(
            "the facts of a data set are read by The Well; install wavelit-plugin[the-well], or "
            "set dataset to null and give boundary"
        ) from error

    options = inspect.signature(WellDataset).parameters
    if not isinstance(dataset, Mapping):
        raise ConfigError(
            f"dataset must be a mapping of WellDataset's options, got {dataset!r}; set it to null "
            "to do without"
        )
    for name in dataset:
        if name not in options:
            raise unknown_name("option of WellDataset", name, options)
    given = {name: _plain(value) for name, value in dataset.items() if value is not None}
    look = {"well_split_name": "train", "transform": FiniteSamples(on_nan="warn")}
    data = WellDataset(**{**look, **given})
    names, constants = (
        [name for order in range(3) for name in groups[order]]
        for groups in (data.metadata.field_names, data.metadata.constant_field_names)
    )
    return DatasetFacts(
        fields=tuple(names),
        constants=tuple(constants),
        vectors=_components(data.metadata.field_names, data.metadata.n_spatial_dims),
        boundary=boundaries(data[0]["boundary_conditions"]),
    )


def boundaries(codes: Float[Tensor, "axis end"]) -> tuple[Boundary, ...]:
    """Return one boundary for each axis; an axis of unlike ends counts as open.

    >>> import torch
    >>> boundaries(torch.tensor([[2.0, 2.0], [0.0, 0.0], [0.0, 1.0]]))
    ('periodic', 'wall', 'open')
    """
    known: dict[tuple[int, ...], Boundary] = {(0, 0): "wall", (2, 2): "periodic"}
    return tuple(known.get(tuple(map(int, ends)), "open") for ends in codes.tolist())


def _components(names: Mapping[int, Sequence[str]], ndim: int) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of the fields that are components of one vector or tensor.

    The host lists all fields of order 0, then those of order 1, 2; of one field, all components.
    """
    groups, start = [], len(names[0])
    for order in (1, 2):
        step = ndim**order
        stop = start + len(names[order])
        groups += [tuple(range(first, first + step)) for first in range(start, stop, step)]
        start = stop
    return tuple(group for group in groups if len(group) > 1)


def _axes(resolution: object) -> int:
    if isinstance(resolution, Sequence) and not isinstance(resolution, str | bytes):
        return len(resolution)
    raise ConfigError(
        f"spatial_resolution must be the number of points along each axis, got {resolution!r}; "
        "give a list"
    )


def _check_channels(facts: DatasetFacts, *, fields: int, constants: int) -> None:
    if (fields, constants) != (len(facts.fields), len(facts.constants)):
        raise ConfigError(
            f"the data set has the fields {', '.join(facts.fields)} and the constants "
            f"{', '.join(facts.constants) or 'none'}, but the model is to take {fields} fields and "
            f"{constants} constants; set n_steps_input to that of the data"
        )


def _plain(value: Any) -> Any:
    """Return lists of a configuration as tuples."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(_plain(item) for item in value) if is_list else value
