"""What the channels of a model's input and output are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.shapes import check_int


@dataclass(frozen=True, kw_only=True)
class ChannelLayout:
    """What the channels of input and output are, all frames time-major, oldest first.

    Input channels are ``frames * fields`` and then ``constants``; output channels are
    ``frames_out * fields`` where output fields continue input fields.

    Attributes:
        frames: input frames of each field, at least 1.
        fields: fields that the output continues; 0 if the output is another quantity.
        constants: input channels that do not change in time (coefficients, masks).
        frames_out: frames that one call predicts.
        vectors: groups of field numbers that are the components of one vector; they share one
            set of band scales, so that no direction counts more than another.
        names: of the fields, or empty.
    """

    frames: int = 1
    fields: int
    constants: int = 0
    frames_out: int = 1
    vectors: tuple[tuple[int, ...], ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("frames", 1), ("fields", 0), ("constants", 0), ("frames_out", 1)):
            check_int(f"layout.{name}", getattr(self, name), least)
        members = [field for vector in self.vectors for field in vector]
        if len(set(members)) < len(members) or not set(members) <= set(range(self.fields)):
            raise ConfigError(
                f"layout.vectors must be groups of different fields 0..{self.fields - 1}, got "
                f"{self.vectors}; name each field at most once"
            )
        if self.names and len(self.names) != self.fields:
            raise ConfigError(
                f"layout.names must name all {self.fields} fields, got {self.names}; name each, "
                "or none"
            )

    @property
    def in_channels(self) -> int:
        """Input channels that this layout describes."""
        return self.frames * self.fields + self.constants

    @property
    def out_channels(self) -> int:
        """Output channels that continue the input's fields."""
        return self.frames_out * self.fields

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> ChannelLayout:
        """Build from what YAML and JSON hold.

        Raises:
            ConfigError: an unknown key (the nearest name is shown), a missing one or a bad value.
        """
        check_keys("layout option", values, cls)
        if "fields" not in values:
            raise ConfigError("layout needs fields, the number of fields that the output continues")
        plain = dict(values)
        plain["vectors"] = tuple(tuple(vector) for vector in plain.get("vectors", ()))
        plain["names"] = tuple(plain.get("names", ()))
        return cls(**plain)


def check_keys(kind: str, values: Mapping[str, Any], options: type) -> None:
    """Raise ConfigError, with the nearest name, for a key that the dataclass has no field of."""
    known = [field.name for field in fields(options)]
    for key in values:
        if key not in known:
            raise unknown_name(kind, key, known)
