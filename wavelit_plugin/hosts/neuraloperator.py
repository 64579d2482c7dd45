"""neuraloperator 2.x: models in its registry, config classes, and the criterion in its Trainer.

Its batches are (batch, channel, *space), which is the house's own layout, so nothing is re-laid
out. Its Trainer calls ``model(**sample)`` with input ``x`` and target ``y``, and sums losses over
the batch.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from neuralop.models.base_model import BaseModel
from torch import Tensor

from wavelit_plugin.autoload.records import Refusal, Registration, add_key
from wavelit_plugin.errors import unknown_name
from wavelit_plugin.model import PRESETS, WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins import find_criterion
from wavelit_plugin.plugins.types import CriterionRecord
from wavelit_plugin.shapes import Field

# what get_model and zencfg add to every model's options
_BOOKKEEPING = {"arch", "_config_name", "model_arch", "data_channels", "verbose"}

_SIZES = {"Small": "waveliT-1M", "Medium": "waveliT-4M", "Large": "waveliT-10M"}


class WaveLiTOperator:
    """WaveLiT as neuraloperator builds, calls and saves it; delegates to ``core``.

    A mix-in: ``operator_class`` joins it with the host's BaseModel, which registers every subclass
    the moment it is created.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        **options: any knob of WaveLiTConfig. Options of the host's other models are ignored with
            one warning, so an existing config works when only its ``model_arch`` is changed;
            ``ndim`` is then the length of ``n_modes``.

    Raises:
        ConfigError: an option that neither WaveLiT nor any model of the host knows.
    """

    preset: str
    training: bool
    _init_kwargs: dict[str, Any]

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        # the host saves these and reloads them with weights_only=True, so plain types only
        self._init_kwargs = _plain(self._init_kwargs)
        knobs = _own_options(_plain(options))
        self.core = WaveLiT(
            WaveLiTConfig.preset(
                self.preset, in_channels=in_channels, out_channels=out_channels, **knobs
            )
        )

    def forward(self, x: Field, y: Field | None = None, **_sample: object) -> Field:
        """Map (batch, channel, *space) to the same; the target only sets scales, in training."""
        expected = (len(x), self.core.config.out_channels, *x.shape[2:])
        # multi-grid patching pads the input, so there the shapes differ and the target is no help
        seen = y if self.training and y is not None and tuple(y.shape) == expected else None
        return self.core(x, target=seen)


@functools.cache
def operator_class(preset: str) -> type:
    """Return the BaseModel subclass of a preset; creating it adds it to the host's registry."""
    bases = (WaveLiTOperator, BaseModel)
    return type(BaseModel)("WaveLiTOperator", bases, {"preset": preset}, name=preset)


class TrainingCriterion:
    """The host's training loss plus a criterion's term, summed over the batch.

    Args:
        host_loss: called as the Trainer would, ``host_loss(prediction, **sample)``.
        steps: calls in the whole training; a criterion may change with the progress.
        record: the criterion, by default ours; asked to sum over the batch, as the host does.
    """

    def __init__(
        self,
        host_loss: Callable[..., Tensor],
        steps: int,
        record: CriterionRecord | None = None,
    ) -> None:
        record = record or find_criterion("wavelet")
        self.host_loss, self.steps, self.calls = host_loss, max(steps, 1), 0
        self.term = (record.term or record.build)(reduction="sum")

    def __call__(self, prediction: Field, y: Field, **sample: object) -> Tensor:
        """Return ``host_loss + term``."""
        heeds = getattr(self.term, "set_progress", None)
        if callable(heeds):
            heeds(self.calls / self.steps)
        self.calls += 1
        return self.host_loss(prediction, y=y, **sample) + self.term(prediction, y)


def register_models(module: ModuleType) -> Iterator[Registration | Refusal]:
    """Add ``waveliT`` and its presets to ``BaseModel._models``, for ``get_model``."""
    registry = module.BaseModel._models  # noqa: SLF001  (the host has no public registry)
    for name in PRESETS:
        key = name.lower()
        if key not in registry:
            created = operator_class(name)
            registry.pop(key, None)  # the host put it there when the class was created
            yield add_key(registry, key, created)
        else:
            yield _taken(key)


def register_configs(module: ModuleType) -> Iterator[Registration | Refusal] | None:
    """Add ``wavelit_small2d`` and its sisters beside the host's own model configs."""
    if not (hasattr(module, "ModelConfig") and hasattr(module, "FNO_Small2d")):
        return None  # somebody else's module of the same common name
    return _add_configs(module)


def _add_configs(module: ModuleType) -> Iterator[Registration | Refusal]:
    registry = module.ModelConfig._registry  # noqa: SLF001  (zencfg has no public registry)
    for (size, preset), ndim in itertools.product(_SIZES.items(), (1, 2, 3)):
        name = f"WaveLiT_{size}{ndim}d"
        if name.lower() in registry:
            yield _taken(name.lower())
            continue
        # zencfg registers the class as it is created
        setattr(module, name, _config_class(module.ModelConfig, name, preset, ndim))
        undo = functools.partial(_forget_config, module, registry, name)
        yield Registration(name=name.lower(), undo=undo)


def register_criterion(module: ModuleType) -> Iterator[Registration]:
    """Wrap ``Trainer.train`` so that a term joins whatever training loss it is given.

    The term is the criterion that WAVELIT_CRITERION names, of this package or of a plugin.

    Raises:
        ConfigError: no plugin provides a criterion of that name.
    """
    record = find_criterion(os.environ.get("WAVELIT_CRITERION", "wavelet"))
    trainer, original = module.Trainer, module.Trainer.train
    signature = inspect.signature(original)

    @functools.wraps(original)
    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(self, *args, **kwargs)
        given = bound.arguments
        host_loss = given.get("training_loss") or module.LpLoss(d=2)
        steps = self.n_epochs * len(given["train_loader"])
        given["training_loss"] = TrainingCriterion(host_loss, steps, record)
        if given.get("eval_losses") is None:
            given["eval_losses"] = {"l2": host_loss}  # metrics stay the host's
        return original(*bound.args, **bound.kwargs)

    trainer.train = train
    undo = functools.partial(setattr, trainer, "train", original)
    yield Registration(name=record.name, undo=undo)


def _own_options(options: dict[str, Any]) -> dict[str, Any]:
    """Keep our knobs, warn once about the host's, refuse the rest."""
    ours = set(WaveLiTConfig.__dataclass_fields__)
    foreign = [key for key in options if key not in ours]
    known = _host_options()
    for key in foreign:
        if key not in known:
            raise unknown_name("waveliT option", key, sorted(ours))
    ignored = sorted(set(foreign) - _BOOKKEEPING)
    if ignored:
        warnings.warn(
            f"waveliT ignores the options of other models: {', '.join(ignored)}", stacklevel=4
        )
    knobs = {key: value for key, value in options.items() if key in ours and value is not None}
    if "ndim" not in knobs and options.get("n_modes"):
        knobs["ndim"] = len(options["n_modes"])
    return knobs


def _host_options() -> set[str]:
    models = [cls for cls in BaseModel._models.values() if not issubclass(cls, WaveLiTOperator)]  # noqa: SLF001
    return _BOOKKEEPING.union(*(inspect.signature(cls.__init__).parameters for cls in models))


def _config_class(parent: type, name: str, preset: str, ndim: int) -> type:
    """A zencfg class: None leaves a knob at the preset's value."""
    knobs: dict[str, tuple[object, object]] = {
        "model_arch": (str, preset),
        "data_channels": (int, 1),
        "out_channels": (int, 1),
        "ndim": (int, ndim),
        **dict.fromkeys(("width", "depth", "scales", "heads"), (int | None, None)),
        **dict.fromkeys(("levels", "least_tokens"), (int | None, None)),
        **dict.fromkeys(("wavelet", "resolution", "residual"), (str | None, None)),
        **dict.fromkeys(
            ("absolute_position", "activation_checkpointing", "compile"), (bool | None, None)
        ),
        "noise": (float | None, None),
        "boundary": (str | list[str] | None, None),
        "layout": (dict[str, int] | None, None),
    }
    body = {knob: default for knob, (_, default) in knobs.items()}
    annotations = {knob: kind for knob, (kind, _) in knobs.items()}
    return type(parent)(name, (parent,), {**body, "__annotations__": annotations})


def _forget_config(module: ModuleType, registry: dict[str, type], name: str) -> None:
    registry.pop(name.lower(), None)
    vars(module).pop(name, None)


def _taken(key: str) -> Refusal:
    return Refusal(name=key, reason=f"neuraloperator has a {key!r} already; it stays as it is")


def _plain(value: Any) -> Any:
    """Replace the host's own container types by dict, list and tuple."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
