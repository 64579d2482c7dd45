"""What plugins provide, as records. Hosts are ``wavelit_plugin.autoload.records.HostRecord``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from wavelit_plugin.autoload.records import HostRecord

__all__ = ["CriterionRecord", "HostRecord", "ModelRecord"]


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A model that can be had by name.

    Attributes:
        name: what a config says.
        build: called with ``in_channels``, ``out_channels``, ``ndim`` and knobs by keyword; returns
            a module on (batch, channel, *space).
        summary: one line for a list.
    """

    name: str
    build: Callable[..., nn.Module]
    summary: str


@dataclass(frozen=True, kw_only=True)
class CriterionRecord:
    """A training criterion that can be had by name.

    Attributes:
        name: what a config or ``wavelit run --criterion`` says.
        build: called with options by keyword, ``reduction`` among them; returns a module
            ``(prediction, target) -> loss`` that stands alone.
        summary: one line for a list.
        term: the same, for what is added to a host's own loss; by default ``build``.
    """

    name: str
    build: Callable[..., nn.Module]
    summary: str
    term: Callable[..., nn.Module] | None = None
