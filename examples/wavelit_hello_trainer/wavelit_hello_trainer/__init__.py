"""WaveLiT in hello_trainer: the hooks that wavelit calls, which return records.

Importing it imports neither PyTorch nor the trainer.
"""

from __future__ import annotations

from pathlib import Path

from wavelit_plugin.plugins import hookimpl
from wavelit_plugin.plugins.types import (
    ConfigFolder,
    CriterionRecord,
    HostRecord,
    ModelRecord,
    OperatorRecord,
)


@hookimpl
def wavelit_hosts() -> list[HostRecord]:
    """One trainer: the module whose end of import is awaited, and what is called with it then."""
    return [
        HostRecord(
            host="hello_trainer",
            distribution="hello-trainer",
            versions=">=1,<2",
            watched="hello_trainer.registry",
            adapter="wavelit_hello_trainer.adapter:register",
        )
    ]


@hookimpl
def wavelit_models() -> list[ModelRecord]:
    """One model."""
    from wavelit_hello_trainer.models import build_tiny

    return [ModelRecord(name="waveliT-tiny", build=build_tiny, summary="WaveLiT for first tries")]


@hookimpl
def wavelit_criteria() -> list[CriterionRecord]:
    """One criterion."""
    from wavelit_hello_trainer.models import MeanAbsoluteError

    return [CriterionRecord(name="l1", build=MeanAbsoluteError, summary="mean absolute error")]


@hookimpl
def wavelit_operators() -> list[OperatorRecord]:
    """One operator; the model above is one too, without being named here."""
    from wavelit_hello_trainer.operators import LINEAR

    return [LINEAR]


@hookimpl
def wavelit_configs() -> list[ConfigFolder]:
    """What ``wavelit config hello_trainer`` prints."""
    return [ConfigFolder(name="hello_trainer", folder=Path(__file__).parent / "configs")]
