"""One model of several data sets: shared blocks, and weights that belong to names of fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from wavelit_plugin.errors import ConfigError, DataError, unknown_name
from wavelit_plugin.model.checkpoint import JOINT, check_tensors, read_file, write_file
from wavelit_plugin.model.members import OWN, SAME, Label, Member, cuts, quoted, unknown_names
from wavelit_plugin.model.wavelit import WaveLiT
from wavelit_plugin.shapes import Field


class JointWaveLiT(nn.Module):
    """Several WaveLiT, one a data set, that have most of their weights in common.

    Blocks, norms and the inner layers of the pyramid are the same for all. What reads or writes
    a channel belongs to the channel's name: two data sets with a ``pressure`` share its columns of
    the embedding and its rows of the head. Statistics, boundary, channels, persistence, conditions
    and the trained grid are each data set's own.

    Args:
        members: the data sets by name; their configurations agree in SAME.

    Raises:
        ConfigError: no member, or members that disagree.

    >>> from wavelit_plugin.model import ChannelLayout, WaveLiTConfig
    >>> layout = ChannelLayout(fields=1, names=("pressure",))
    >>> config = WaveLiTConfig(
    ...     in_channels=1, out_channels=1, width=8, heads=1, depth=1, layout=layout
    ... )
    >>> joint = JointWaveLiT({"waves": Member(config=config)})
    >>> joint(torch.zeros(2, 1, 8, 6), "waves").shape
    torch.Size([2, 1, 8, 6])
    """

    def __init__(self, members: Mapping[str, Member]) -> None:
        super().__init__()
        if not members:
            raise ConfigError("a joint model needs at least one data set, got none; name one")
        self.shared = nn.ParameterDict()
        # without the shared weights, which are lent to them when they are called
        self.shells = nn.ModuleDict()
        self._members: dict[str, Member] = {}
        self._whole: dict[str, tuple[str, ...]] = {}  # names of weights that are not cut
        for name, member in members.items():
            self.add_member(name, member)

    @property
    def members(self) -> dict[str, Member]:
        """The data sets by name."""
        return dict(self._members)

    def forward(
        self,
        u: Field,
        member: str,
        condition: Tensor | None = None,
        *,
        target: Field | None = None,
    ) -> Field:
        """Predict as the WaveLiT of one data set does; see ``WaveLiT.forward``.

        Raises:
            ConfigError: no data set of this name; the nearest is shown.
            ShapeError, DataError: as WaveLiT.
        """
        shell = self._shell(member)
        whole, joined = self._weights(member)
        _lend(shell, whole)
        output: Field = functional_call(shell, joined, (u, condition), {"target": target})
        return output

    def fit_statistics(self, member: str, loader: Iterable[object]) -> None:
        """Set the statistics of one data set; see ``WaveLiT.fit_statistics``."""
        self._shell(member).fit_statistics(loader)

    def add_member(self, name: str, member: Member) -> None:
        """Add a data set; weights of names that are not known yet start as a WaveLiT's do.

        Raises:
            ConfigError: the name is taken, or the configuration disagrees with the others.
        """
        self._check(name, member)
        shell = WaveLiT(member.config).to(self._like())
        for key, part in _parts(shell, member).items():
            if key not in self.shared:
                self.shared[key] = nn.Parameter(part.detach().clone())
        stripped = _strip(shell)
        self._whole[name] = tuple(weight for weight in stripped if weight not in cuts(member))
        self._members[name] = member
        self.shells[_shell_key(name)] = shell.train(self.training)

    def adopt(self, name: str, member: Member) -> None:
        """Add a data set whose names are all known, to be predicted without training on it.

        What was never trained adds nothing: the position between the ends of an axis, where all
        data sets before were periodic. The statistics are to be set by ``fit_statistics``.

        Raises:
            ConfigError: a name is not known, the model has conditions, or as ``add_member``.
        """
        unknown = self.unknown(member)
        if unknown or member.config.conditions:
            reason = f"no data set had {', '.join(unknown)}" if unknown else "it has conditions"
            raise ConfigError(
                f"{name} cannot be adopted, because {reason}; use add_member and train on it"
            )
        before = set(self.shared)
        self.add_member(name, member)
        with torch.no_grad():
            for key in set(self.shared) - before:
                self.shared[key].zero_()

    def unknown(self, member: Member) -> tuple[str, ...]:
        """Return the fields and constants that this model has no weights for, in order.

        A field that was a constant only, or was given in fewer frames, is named with what lacks.
        """
        return unknown_names(self._members.values(), member)

    def member(self, name: str) -> WaveLiT:
        """Return a plain WaveLiT of one data set with the same outputs, a copy.

        Raises:
            ConfigError: no data set of this name; the nearest is shown.
        """
        shell = self._shell(name)
        model = WaveLiT(self._members[name].config).to(self._like())
        whole, joined = self._weights(name)
        model.load_state_dict({**shell.state_dict(), **whole, **joined})
        return model.train(self.training)

    def save(self, path: str | Path) -> None:
        """Write weights, statistics and members to one safetensors file, atomically.

        Raises:
            DataError: the folder does not exist.
        """
        members = {name: member.as_plain() for name, member in self._members.items()}
        write_file(Path(path), JOINT, {"members": members}, self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> JointWaveLiT:
        """Return the model that ``save`` wrote, on the CPU, in evaluation mode.

        Raises:
            DataError: the file is missing, truncated or something else.
            ConfigError: it was written in another version of the format.
        """
        members, tensors = read_file(Path(path), JOINT, lambda held: _members(Path(path), held))
        model = cls(members)
        check_tensors(Path(path), tensors, model.state_dict())
        model.to(next(t.dtype for name, t in tensors.items() if name.startswith("shared.")))
        model.load_state_dict(tensors)
        return model.eval()

    def _check(self, name: str, member: Member) -> None:
        if name in self._members:
            raise ConfigError(f"there is a data set {name} already; use another name")
        for first in self._members.values():
            for option in SAME:
                ours, its = (getattr(m.config, option) for m in (first, member))
                if ours != its:
                    raise ConfigError(
                        f"all data sets of a joint model have one {option}, but {name} has "
                        f"{its!r} and the others {ours!r}; make them agree"
                    )

    def _shell(self, name: str) -> WaveLiT:
        if name not in self._members:
            raise unknown_name("data set of this joint model", name, self._members)
        shell = self.shells[_shell_key(name)]
        if not isinstance(shell, WaveLiT):
            raise TypeError(f"shells hold WaveLiT, got {type(shell).__name__}")
        return shell

    def _like(self) -> Tensor:
        """Return a tensor of the dtype and device that new parts get."""
        return next(iter(self.shared.values()), torch.empty(0))

    def _weights(self, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the shared weights of one data set, by their name in a WaveLiT.

        First those that are shared as a whole, then those that are put together of parts.
        """
        member = self._members[name]
        whole = {weight: self.shared[_key(weight)] for weight in self._whole[name]}
        joined = {
            weight: torch.cat([self.shared[_key(weight, label)] for label in labels], dim=axis)
            for weight, (axis, labels) in cuts(member).items()
        }
        return whole, joined


def _parts(model: WaveLiT, member: Member) -> dict[str, Tensor]:
    """Return the weights of a model that others may share, cut, by their key in the joint model."""
    cut = cuts(member)
    found: dict[str, Tensor] = {}
    for weight, tensor in model.named_parameters():
        if weight.startswith(OWN):
            continue
        if weight not in cut:
            found[_key(weight)] = tensor
            continue
        axis, labels = cut[weight]
        pieces = tensor.chunk(len(labels), dim=axis)
        found.update(zip((_key(weight, label) for label in labels), pieces, strict=True))
    return found


def _key(weight: str, label: Label | None = None) -> str:
    name = weight.replace(".", "/")
    return name if label is None else f"{name}@{label.key}"


def _shell_key(name: str) -> str:
    # the mark keeps clear of the names of the container's own methods
    return f"@{quoted(name)}"


def _strip(shell: WaveLiT) -> list[str]:
    """Take out the weights that the joint model keeps; return their names.

    So each is trained, moved and saved once.
    """
    taken = [weight for weight, _ in shell.named_parameters() if not weight.startswith(OWN)]
    for weight in taken:
        path, _, leaf = weight.rpartition(".")
        shell.get_submodule(path).register_parameter(leaf, None)
    return taken


def _lend(shell: WaveLiT, weights: Mapping[str, Tensor]) -> None:
    """Let a shell see weights that it does not own, until it is lent others.

    They stay after the call, because activation checkpointing runs blocks again on the way back.
    """
    for weight, tensor in weights.items():
        path, _, leaf = weight.rpartition(".")
        vars(shell.get_submodule(path))[leaf] = tensor


def _members(path: Path, held: Mapping[str, Any]) -> dict[str, Member]:
    try:
        return {name: Member.from_plain(values) for name, values in held["members"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} holds a joint configuration that cannot be read ({error!r}); save the model "
            "again"
        ) from error
