"""The data sets of a joint model, and which part of which weight each of their channels has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model.config import WaveLiTConfig

OWN = ("persistence", "condition.", "embed.phase.")
"""How the names of the weights begin that belong to one data set alone.

What happens at a place of a periodic domain, a forcing, is the data set's own matter.
"""

SAME = (
    "ndim",
    "width",
    "depth",
    "levels",
    "least_tokens",
    "heads",
    "attention",
    "positional_kernel",
    "gate",
    "texture",
    "features",
    "pyramid_scales",
    "wavelet",
)
"""The options of the configuration in which all members of a joint model agree."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One data set of a joint model.

    Attributes:
        config: its own channels, boundary, conditions, ...; the layout names every field.
        constants: names of the constant channels, in their order.

    Raises:
        ConfigError: a channel has no name or two have the same, or no field is continued.
    """

    config: WaveLiTConfig
    constants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        layout = self.config.channels
        if not layout.fields or len(layout.names) != layout.fields:
            raise ConfigError(
                "a joint model shares weights by the names of fields that are continued, got the "
                f"names {layout.names} for {layout.fields} fields; name each in the layout"
            )
        if self.config.compile:
            raise ConfigError(
                "a joint model lends its weights to each data set in turn, and torch.compile would "
                "begin anew every time, got compile=True; leave it out"
            )
        if len(self.constants) != layout.constants:
            raise ConfigError(
                f"the layout has {layout.constants} constant channels, got the names "
                f"{self.constants}; name each"
            )
        names = (*layout.names, *self.constants)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or "" in names:
            raise ConfigError(
                f"every field and constant needs a name of its own, got {names}; rename "
                f"{', '.join(twice) or 'the empty one'}"
            )

    def as_plain(self) -> dict[str, Any]:
        """Return plain types that JSON can hold; ``from_plain`` inverts."""
        return {"config": self.config.as_dict(), "constants": list(self.constants)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Member:
        """Build from what ``as_plain`` returned; raises ConfigError as the parts do."""
        config = WaveLiTConfig.from_dict(values["config"])
        return cls(config=config, constants=tuple(values["constants"]))


class Label(NamedTuple):
    """Whose part of a weight it is: a named quantity, and what of it."""

    name: str
    what: str

    @property
    def key(self) -> str:
        """The label in the names of parameters, where a dot would separate modules."""
        return f"{quoted(self.name)}:{self.what}"


class Cut(NamedTuple):
    """A weight falls into equal parts along one axis, one a label."""

    axis: int
    labels: tuple[Label, ...]


def cuts(member: Member) -> dict[str, Cut]:
    """Return the weights of this member's WaveLiT that have a part for each channel, by name.

    All others but OWN are shared as a whole.
    """
    inputs, outputs = _inputs(member), _outputs(member)
    found = {
        "embed.linear.weight": Cut(1, inputs),
        **({"texture.weight": Cut(1, inputs)} if member.config.texture else {}),
        "head.linear.weight": Cut(0, outputs),
        "head.linear.bias": Cut(0, outputs),
        "head.gain": Cut(0, outputs),
        "pyramid.first.weight": Cut(1, (*outputs, *inputs)),
        "pyramid.last.weight": Cut(0, outputs),
        "pyramid.last.bias": Cut(1, outputs),
    }
    ends = tuple(
        Label("", f"axis{axis}")
        for axis, boundary in enumerate(member.config.axes)
        if boundary != "periodic" and member.config.absolute_position
    )
    return {**found, "embed.position.weight": Cut(1, ends)} if ends else found


def unknown_names(known: Iterable[Member], new: Member) -> tuple[str, ...]:
    """Return the fields and constants of a member that others have no weights for, in order.

    A field that was a constant only, or was given in fewer frames, is named with what lacks.
    """
    have = {label for member in known for cut in cuts(member).values() for label in cut.labels}
    wanted = (label for cut in cuts(new).values() for label in cut.labels if label.name)
    missing = (label for label in wanted if label not in have)
    return tuple(
        dict.fromkeys(m.key if Label(m.name, "value") in have else m.name for m in missing)
    )


def quoted(name: str) -> str:
    """Return a name in which only letters, digits, ``_`` and ``-`` are left as they are.

    >>> quoted("velocity_x"), quoted("a.b")
    ('velocity_x', 'a%2Eb')
    """
    return "".join(c if c.isalnum() or c in "_-" else f"%{ord(c):02X}" for c in name)


def _inputs(member: Member) -> tuple[Label, ...]:
    """Return the labels of the embedded channels, in the order of differences_and_constants."""
    layout = member.config.channels
    slots = ("value", *(f"change{lag}" for lag in range(1, layout.frames)))
    fields = [Label(name, slot) for slot in slots for name in layout.names]
    return (*fields, *(Label(name, "value") for name in member.constants))


def _outputs(member: Member) -> tuple[Label, ...]:
    layout = member.config.channels
    ahead = range(1, layout.frames_out + 1)
    return tuple(Label(name, f"next{step}") for step in ahead for name in layout.names)
