"""neuraloperator 2.x: config classes for its scripts, and the criterion in its Trainer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from types import ModuleType
from typing import Any, get_type_hints

from torch import Tensor

from wavelit_plugin.autoload.records import Refusal, Registration, wrap_method
from wavelit_plugin.hosts.criterion import EpochTerm, Terms, asked_criterion
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.shapes import Field

_SIZES = {"Small": "waveliT-1M", "Medium": "waveliT-4M", "Large": "waveliT-10M"}


class TrainingCriterion:
    """The host's training loss plus a criterion's term, summed over the batch, in one epoch.

    Args:
        host_loss: called as the Trainer would, ``host_loss(prediction, **sample)``.
        term: the criterion's.
    """

    def __init__(self, host_loss: Callable[..., Tensor], term: EpochTerm) -> None:
        self.host_loss, self.term = host_loss, term

    def __call__(self, prediction: Field, y: Field, **sample: object) -> Tensor:
        """Return ``host_loss + term``."""
        return self.host_loss(prediction, y=y, **sample) + self.term(prediction, y)


def register_configs(module: ModuleType) -> Iterator[Registration | Refusal] | None:
    """Add ``wavelit_small2d`` and its sisters beside the host's own model configs."""
    if not (hasattr(module, "ModelConfig") and hasattr(module, "FNO_Small2d")):
        return None  # somebody else's module of the same common name
    return _add_configs(module)


def _add_configs(module: ModuleType) -> Iterator[Registration | Refusal]:
    registry = module.ModelConfig._registry  # noqa: SLF001  (zencfg has no public registry)
    for (size, preset), ndim in itertools.product(_SIZES.items(), (1, 2, 3)):
        name = f"WaveLiT_{size}{ndim}d"
        if name.lower() in registry or hasattr(module, name):
            reason = f"neuraloperator has a {name.lower()!r} already; it stays as it is"
            yield Refusal(name=name.lower(), reason=reason)
            continue
        # zencfg registers the class as it is created
        config = _config_class(module, name, preset, ndim)
        setattr(module, name, config)
        undo = partial(_forget_config, module, registry, config)
        yield Registration(name=name.lower(), undo=undo)


def register_criterion(module: ModuleType) -> Iterator[Registration]:
    """Wrap ``Trainer.train_one_epoch`` so that a term joins whatever training loss it is given.

    Raises:
        ConfigError: no plugin provides the criterion that WAVELIT_CRITERION names.
    """
    record = asked_criterion()
    terms = Terms(record, "sum")

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def train_one_epoch(self: Any, epoch: int, train_loader: Any, training_loss: Any) -> Any:
            term = EpochTerm(
                terms.of(self), epoch=epoch, epochs=self.n_epochs, batches=len(train_loader)
            )
            return original(self, epoch, train_loader, TrainingCriterion(training_loss, term))

        return train_one_epoch

    yield wrap_method(module.Trainer, "train_one_epoch", wrap, name=record.name)


_KINDS: dict[str, Any] = {
    "resolution": str,
    "residual": str,
    "boundary": str | list[str],
    "layout": dict[str, int],
}
"""What zencfg is told of knobs whose own types it does not read."""


def _knobs() -> dict[str, Any]:
    """The knobs of WaveLiTConfig beyond what every model of the host has, and their types."""
    own = {"in_channels", "out_channels", "ndim", "conditions"}
    return {name: kind for name, kind in get_type_hints(WaveLiTConfig).items() if name not in own}


def _config_class(module: ModuleType, name: str, preset: str, ndim: int) -> type:
    """A zencfg class of ``module``: None leaves a knob at the preset's value."""
    knobs: dict[str, tuple[object, object]] = {
        "model_arch": (str, preset),
        "data_channels": (int, 1),
        "out_channels": (int, 1),
        "ndim": (int, ndim),
        **{name: (_KINDS.get(name, kind) | None, None) for name, kind in _knobs().items()},
    }
    body = {knob: default for knob, (_, default) in knobs.items()}
    annotations = {knob: kind for knob, (kind, _) in knobs.items()}
    parent = module.ModelConfig
    # pickle looks for a class in the module that it names
    place = {"__module__": module.__name__, "__annotations__": annotations}
    return type(parent)(name, (parent,), {**body, **place})


def _forget_config(module: ModuleType, registry: MutableMapping[str, type], config: type) -> None:
    for names, name in ((registry, config.__name__.lower()), (vars(module), config.__name__)):
        if names.get(name) is config:
            del names[name]
