"""The frozen configuration of a WaveLiT, its channel layout and its presets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.model.layout import ChannelLayout, check_keys
from wavelit_plugin.shapes import Boundary, check_int, per_axis
from wavelit_plugin.wavelets import check_wavelet

Residual = Literal["auto", "on", "off"]
Resolution = Literal["aligned", "native"]

_COUNTS = (
    "in_channels",
    "out_channels",
    "width",
    "depth",
    "levels",
    "least_tokens",
    "heads",
    "features",
    "pyramid_scales",
)
_SWITCHES = (
    "attention",
    "positional_kernel",
    "gate",
    "texture",
    "band_scales",
    "absolute_position",
    "activation_checkpointing",
    "compile",
)
_RESIDUALS: tuple[Residual, ...] = ("auto", "on", "off")
_RESOLUTIONS: tuple[Resolution, ...] = ("aligned", "native")

PRESETS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "waveliT": MappingProxyType({"width": 120, "depth": 2, "heads": 3, "features": 24}),
        "waveliT-1M": MappingProxyType({"width": 120, "depth": 2, "heads": 3, "features": 24}),
        "waveliT-4M": MappingProxyType({"width": 208, "depth": 3, "heads": 4, "features": 40}),
        "waveliT-10M": MappingProxyType({"width": 288, "depth": 4, "heads": 6, "features": 56}),
    }
)
"""Knobs of each preset. The number in the name is the parameter count in 2-D with three fields.

All presets have LEVELS wavelet levels, and no more than leave LEAST_TOKENS tokens. In 1-D they have
twice as many features, in 3-D half as many, so that a point costs about the same.
"""

LEVELS: Mapping[int, int] = MappingProxyType({1: 3, 2: 3, 3: 2})
"""Wavelet levels of the presets by space axes: at most 64 coefficients of a channel in a token."""

_SMALL = 30_000  # parameters up to which three quarters are the pyramid's
_DEEPER = (200_000, 2_000_000, 6_000_000)  # parameters from which on there is one block more

LEAST_TOKENS = 64
"""Tokens that the presets want at least: 8 an axis in 2-D."""


@dataclass(frozen=True, kw_only=True)
class WaveLiTConfig:
    """Everything that fixes a WaveLiT's function class; checks itself.

    Attributes:
        in_channels: input channels.
        out_channels: output channels.
        ndim: space axes, 1-3.
        width: features of a token; a multiple of ``2 * heads``.
        depth: blocks with weights of their own.
        levels: wavelet levels of the tokenizer; a token covers 2**levels points an axis.
        least_tokens: on training grids that would have fewer tokens than this, fewer levels are
            used, down to one.
        heads: attention heads; 32-64 features each work best.
        attention: let tokens attend to each other by what they hold.
        positional_kernel: a convolution over the whole domain beside the attention, beyond the
            paper.
        gate: multiply what both mix by a linear map of the token.
        texture: add learned filters' means to the tokens, beyond the paper.
        band_scales: divide each wavelet band of a field by a scale of its own; without, by one
            scale of the field.
        features: of a point in the feature pyramid; a cell of two points an axis has twice as many.
        pyramid_scales: grids of the feature pyramid, each with half as many points an axis as the
            one before; 1 leaves the finest only.
        wavelet: ``haar``, or any orthogonal PyWavelets name on periodic domains.
        boundary: ``periodic``, ``wall`` or ``open``, one name or one for each axis.
        resolution: ``aligned`` runs the model at the spacing it was trained at, whatever the
            input's; ``native`` runs it at the input's spacing.
        residual: predict the change of the fields (``on``), the output itself (``off``), or
            decide from the first training targets (``auto``).
        layout: which channels are frames, fields and constants; by default the first
            ``out_channels`` input channels are the output's fields and the rest constants.
        conditions: scalar parameters a call is conditioned on (time step, viscosity, ...).
        absolute_position: let every token know its place in the domain. Without, a model of a
            periodic domain treats all places alike: right only where nothing in the law depends on
            the place but what the input shows.
        noise: in training, the largest amplitude of noise on the fields that the output continues,
            over their scales, 0 for none: longer roll-outs, at the cost of a little of one step.
        activation_checkpointing: in training, compute blocks, texture and the inner part of the
            pyramid again on the way back instead of keeping their activations: little more than
            half of the memory, a step a quarter longer, the same gradients.
        compile: in training, run the network by ``torch.compile``: the first step takes up to a
            minute, and so does one of another shape. On a GPU a step is then about twice as fast.

    Raises:
        ConfigError: any value out of range, an unknown name, a wavelet that does not suit the
            boundary, a layout that contradicts the channels.
    """

    in_channels: int
    out_channels: int
    ndim: int = 2
    width: int = 64
    depth: int = 4
    levels: int = 1
    least_tokens: int = 1
    heads: int = 2
    attention: bool = True
    positional_kernel: bool = True
    gate: bool = True
    texture: bool = True
    band_scales: bool = True
    features: int = 24
    pyramid_scales: int = 3
    wavelet: str = "haar"
    boundary: str | Sequence[str] = "open"
    resolution: Resolution = "aligned"
    residual: Residual = "auto"
    layout: ChannelLayout | None = None
    conditions: int = 0
    absolute_position: bool = True
    noise: float = 0.0
    activation_checkpointing: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        for name in _COUNTS:
            check_int(name, getattr(self, name), 1)
        check_int("conditions", self.conditions, 0)
        check_int("ndim", self.ndim, 1)
        if self.ndim > 3:
            raise ConfigError(f"ndim must be 1, 2 or 3 space axes, got {self.ndim!r}")
        if self.width % (2 * self.heads):
            raise ConfigError(
                f"width must be a multiple of 2 * heads = {2 * self.heads} (features are rotated "
                f"in pairs), got {self.width}"
            )
        self._check_types()
        check_wavelet(self.wavelet, self.axes)
        _check_choice("resolution", self.resolution, _RESOLUTIONS)
        _check_choice("residual", self.residual, _RESIDUALS)
        if isinstance(self.noise, bool) or not isinstance(self.noise, int | float):
            raise ConfigError(f"noise must be a number, got {self.noise!r}")
        if not 0 <= self.noise < math.inf:
            raise ConfigError(f"noise must be at least 0 and finite, got {self.noise!r}")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, got {getattr(self, name)!r}")
        self._check_layout()

    @property
    def axes(self) -> tuple[Boundary, ...]:
        """Boundary condition of each axis."""
        return per_axis(self.boundary, self.ndim)

    @property
    def channels(self) -> ChannelLayout:
        """The layout in force: the given one, or the default for these channels."""
        if self.layout is not None:
            return self.layout
        fields_ = self.out_channels if self.in_channels >= self.out_channels else 0
        return ChannelLayout(fields=fields_, constants=self.in_channels - fields_)

    @classmethod
    def preset(
        cls, name: str, *, in_channels: int, out_channels: int, ndim: int = 2, **changes: Any
    ) -> WaveLiTConfig:
        """Return a preset's configuration, with any knob changed.

        Another width changes the pyramid's features in proportion, unless these are given too.

        Raises:
            ConfigError: an unknown preset or knob (the nearest name is shown), or a bad value.

        >>> WaveLiTConfig.preset("waveliT-1M", in_channels=3, out_channels=3, depth=2).depth
        2
        """
        by_lower = {known.lower(): known for known in PRESETS}
        key = str(name).lower()
        if key not in by_lower:
            raise unknown_name("preset", str(name), PRESETS)
        check_int("ndim", ndim, 1)
        knobs = dict(PRESETS[by_lower[key]])
        width = changes.get("width", knobs["width"])
        if isinstance(width, int):  # else the check of the width says what is wrong
            share = width / knobs["width"] * 2.0 ** (2 - ndim)
            knobs["features"] = max(4, round(knobs["features"] * share))
        tokens = {"levels": LEVELS.get(ndim, 1), "least_tokens": LEAST_TOKENS}
        sizes = {"in_channels": in_channels, "out_channels": out_channels, "ndim": ndim}
        return cls.from_dict({**knobs, **tokens, **sizes, **changes})

    @classmethod
    def sized(
        cls, parameters: int, *, in_channels: int, out_channels: int, ndim: int = 2, **changes: Any
    ) -> WaveLiTConfig:
        """Return the widest configuration of at most this many parameters.

        The pyramid has three quarters of a small model's parameters. Its share falls with the root
        of their number, since most of the time is spent there; the depth of the blocks grows.

        Args:
            parameters: of the whole model.
            in_channels: input channels.
            out_channels: output channels.
            ndim: space axes, 1-3.
            **changes: any other knob.

        Raises:
            ConfigError: no model is that small, or as ``preset``.

        >>> config = WaveLiTConfig.sized(33_000, in_channels=1, out_channels=1, ndim=1)
        >>> config.width, config.depth, config.features
        (22, 1, 23)
        """
        # counted by building the model: a formula would be a second home for its shapes
        from wavelit_plugin.model.wavelit import parameters_of

        check_int("parameters", parameters, 1)
        channels = {"in_channels": in_channels, "out_channels": out_channels, "ndim": ndim}
        depth = 1 + sum(parameters >= least for least in _DEEPER)
        least: dict[str, Any] = {"width": 2, "heads": 1, "depth": depth, "features": 1}

        def config(**knobs: int) -> WaveLiTConfig:
            return cls.preset("waveliT", **{**channels, **least, **knobs, **changes})

        pyramid = min(1.0, math.sqrt(_SMALL / parameters)) * 0.75 * parameters
        base = parameters_of(config())
        features = _largest(lambda n: parameters_of(config(features=n)) - base <= pyramid)

        def with_width(n: int) -> dict[str, int]:
            heads = max(1, round(n / 20))
            return {"features": features, "width": n // heads * 2 * heads, "heads": heads}

        half = _largest(lambda n: parameters_of(config(**with_width(n))) <= parameters)
        found = config(**with_width(half))
        if parameters_of(found) > parameters:
            raise ConfigError(
                f"a WaveLiT of these channels has at least {parameters_of(found)} parameters, got "
                f"parameters={parameters}; allow more"
            )
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> WaveLiTConfig:
        """Build from plain types, as ``as_dict`` returns and as YAML or JSON hold them.

        Raises:
            ConfigError: an unknown key (the nearest name is shown), a missing one or a bad value.
        """
        check_keys("WaveLiT option", values, cls)
        missing = [key for key in ("in_channels", "out_channels") if key not in values]
        if missing:
            raise ConfigError(f"WaveLiT needs {' and '.join(missing)}; give the number of channels")
        plain = dict(values)
        if isinstance(plain.get("layout"), Mapping):
            plain["layout"] = ChannelLayout.from_plain(plain["layout"])
        if isinstance(plain.get("boundary"), list):
            plain["boundary"] = tuple(plain["boundary"])
        if isinstance(plain.get("residual"), bool):  # what YAML makes of a bare on or off
            plain["residual"] = "on" if plain["residual"] else "off"
        return cls(**plain)

    def as_dict(self) -> dict[str, Any]:
        """Return plain types that JSON and YAML can hold; ``from_dict`` inverts."""
        plain = asdict(self)
        if not isinstance(self.boundary, str):
            plain["boundary"] = list(self.boundary)
        return plain

    def levels_on(self, space: Sequence[int]) -> int:
        """Return the wavelet levels in use on a training grid of these points an axis.

        >>> config = WaveLiTConfig.preset("waveliT", in_channels=1, out_channels=1)
        >>> [config.levels_on((n, n)) for n in (16, 32, 64, 128, 256)]
        [1, 2, 3, 3, 3]
        """
        levels = self.levels
        while levels > 1 and _tokens(space, levels) < self.least_tokens:
            levels -= 1
        return levels

    def changed(self, **changes: Any) -> WaveLiTConfig:
        """Return a copy with some knobs changed; raises as ``from_dict`` does."""
        return self.from_dict({**vars(self), **changes})

    def _check_types(self) -> None:
        names = [self.boundary] if isinstance(self.boundary, str) else self.boundary
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f"boundary must be one name or one for each axis, got {self.boundary!r}; write "
                "'periodic', 'wall' or 'open'"
            )
        if not isinstance(self.layout, ChannelLayout | None):
            raise ConfigError(
                f"layout must be a ChannelLayout, got {self.layout!r}; in a file, write a mapping "
                "with frames, fields, constants and frames_out"
            )

    def _check_layout(self) -> None:
        layout = self.channels
        if layout.in_channels != self.in_channels:
            raise ConfigError(
                f"the layout describes {layout.in_channels} input channels (frames * fields + "
                f"constants), but in_channels is {self.in_channels}; make them agree"
            )
        if layout.fields and layout.out_channels != self.out_channels:
            raise ConfigError(
                f"the layout describes {layout.out_channels} output channels (frames_out * "
                f"fields), but out_channels is {self.out_channels}; make them agree, or set fields "
                "to 0 if the output does not continue the input"
            )
        if self.residual == "on" and not layout.fields:
            raise ConfigError(
                "residual='on' needs output fields that continue input fields, but the layout has "
                "none; use residual='off'"
            )


def _largest(fits: Callable[[int], bool]) -> int:
    """Return the largest number that fits, 1 if none does; larger ones fit less."""
    high = 2
    while fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _tokens(space: Sequence[int], levels: int) -> int:
    return math.prod([-(-size // 2**levels) for size in space])  # a list: the compiler reads it


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise unknown_name(name, str(value), choices)
