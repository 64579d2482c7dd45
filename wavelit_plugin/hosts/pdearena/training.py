"""PDEArena's Lightning modules: the criterion, what training tells the model, and early errors.

The host's modules raise for a criterion they do not know, so they are built with one that they
do, which then makes room for ours; the recorded hyperparameter is the name that was asked for.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import isfinite
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from wavelit_plugin import plugins
from wavelit_plugin.autoload.records import Registration, wrap_method
from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.hosts.criterion import build_term, tell_progress
from wavelit_plugin.hosts.layout import Frames, frames_to_channels
from wavelit_plugin.hosts.pdearena.model import MAXWELL, WaveLiTFields
from wavelit_plugin.model import PRESETS
from wavelit_plugin.plugins.types import CriterionRecord

HOST_CRITERIA = ("mse", "scaledl2")


@dataclass(frozen=True, kw_only=True)
class Module:
    """One of the host's Lightning modules.

    Attributes:
        step: its method that is given a training batch.
        criterion: its attribute that holds the training criterion.
        registry: the name that its file gives to the registry it looks models up in.
        ndims: the space axes that it can train on.
        advice: what to use for others.
    """

    step: str
    criterion: str
    registry: str
    ndims: tuple[int, ...]
    advice: str


_ONE_D = "one axis is for PDE-Refiner, scripts/pderefiner_train.py"
MODULES = {
    "PDEModel": Module(
        step="train_step",
        criterion="train_criterion",
        registry="MODEL_REGISTRY",
        ndims=(2,),
        advice=f"{_ONE_D}; three are for pdearena's Maxwell3DPDEModel",
    ),
    "Maxwell3DPDEModel": Module(
        step="train_step",
        criterion="train_criterion",
        registry="MODEL_REGISTRY",
        ndims=(3,),
        advice="two are for PDEModel",
    ),
    "CondPDEModel": Module(
        step="step",
        criterion="criterion",
        registry="COND_MODEL_REGISTRY",
        ndims=(2,),
        advice=_ONE_D,
    ),
}


class TrainingCriterion(nn.Module):
    """The criterion that was asked for while training, the host's own when evaluating.

    Frames come as (batch, frame, field, *space), also slices of no field at all.

    Args:
        host: the host's criterion.
        term: ours, on (batch, channel, *space), reduced to the mean over the batch.
        added: whether ours is added to the host's, or stands alone.
    """

    def __init__(self, host: nn.Module, term: nn.Module, *, added: bool) -> None:
        super().__init__()
        self.host, self.term, self.added = host, term, added

    def forward(self, prediction: Frames, target: Frames) -> Tensor:
        """Return the loss; what is compared between models in evaluation stays the host's."""
        if not self.training:
            return self.host(prediction, target)
        term = self.term(frames_to_channels(prediction), frames_to_channels(target))
        return self.host(prediction, target) + term if self.added else term

    def set_progress(self, progress: float) -> None:
        """Hand the progress of training, 0 to 1, to a criterion that heeds it."""
        tell_progress(self.term, progress)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A criterion by name: ``NAME``, or ``NAME+mse`` and ``NAME+scaledl2`` beside the host's."""

    record: CriterionRecord
    host: str
    added: bool

    def build(self, host: nn.Module) -> TrainingCriterion:
        """Return it, given the host's criterion."""
        alone = self.record.build
        term = build_term(self.record, "mean") if self.added else alone(reduction="mean")
        return TrainingCriterion(host, term, added=self.added)


def find_criterion(name: str) -> Criterion | None:
    """Return the criterion of that name; None for the host's own.

    WAVELIT_CRITERION adds one to the host's own.

    Raises:
        ConfigError: an unknown name, also in WAVELIT_CRITERION; all known ones are listed.
    """
    asked = os.environ.get("WAVELIT_CRITERION")
    wanted = plugins.find_criterion(asked) if asked else None
    if name in HOST_CRITERIA:
        return None if wanted is None else Criterion(record=wanted, host=name, added=True)
    records = {record.name: record for record in plugins.criteria()}
    ours, added, host = str(name).partition("+")
    if ours not in records or (added and host not in HOST_CRITERIA):
        combined = [f"{record}+{own}" for record in records for own in HOST_CRITERIA]
        raise unknown_name("criterion", name, [*HOST_CRITERIA, *records, *combined])
    return Criterion(record=records[ours], host=host or HOST_CRITERIA[0], added=bool(added))


def register_training(module: ModuleType) -> Iterator[Registration]:
    """Wrap the host's Lightning modules that this module of it defines.

    Raises:
        ConfigError: no plugin provides the criterion that WAVELIT_CRITERION names.
    """
    find_criterion(HOST_CRITERIA[0])
    for name, facts in MODULES.items():
        cls = vars(module).get(name)
        # what it inherits is wrapped in its parent
        if cls is not None and cls.__module__ == module.__name__ and "__init__" in vars(cls):
            registry = vars(module).get(facts.registry, {})
            for method, wrap, what in (
                ("__init__", partial(_building, registry), "wavelet"),
                (facts.step, _training, "training step"),
                ("setup", _starting, "setup"),
            ):
                yield wrap_method(cls, method, wrap, name=f"{name}: {what}")


def _building(registry: Mapping[str, object], original: Callable[..., None]) -> Callable[..., None]:
    """Return ``__init__`` that knows our criteria and says early what cannot work."""
    signature = inspect.signature(original)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        given = signature.bind(self, *args, **kwargs)
        name = given.arguments["criterion"]
        criterion = find_criterion(name)
        if given.arguments.get("model") is None:
            _check_name(given.arguments["name"], registry)
        _check_task(self, given.arguments["name"], given.arguments["pdeconfig"].n_spatial_dim)
        if criterion is not None:
            given.arguments["criterion"] = criterion.host
        original(*given.args, **given.kwargs)
        if criterion is not None:
            _attach(self, criterion, name if name not in HOST_CRITERIA else _combined(criterion))
        if isinstance(self.model, WaveLiTFields):
            _check_length(self)

    return __init__


def _training(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the training step that shows our model its target and our criterion the time."""

    def step(self: Any, batch: Any) -> Any:
        criterion = getattr(self, _facts(self).criterion)
        if self.training and isinstance(criterion, TrainingCriterion):
            criterion.set_progress(_progress(self))
        if not (self.training and isinstance(self.model, WaveLiTFields)):
            return original(self, batch)
        with self.model.shown(batch[1]):
            return original(self, batch)

    return step


def _starting(original: Callable[..., None]) -> Callable[..., None]:
    """Return ``setup`` that looks at the data first: the host fails later, and not plainly."""

    def setup(self: Any, stage: str) -> None:
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(self.model, WaveLiTFields) and data is not None:
            _check_data(data, self.pde.trajlen)
        original(self, stage)

    return setup


def _facts(module: Any) -> Module:
    return next(MODULES[cls.__name__] for cls in type(module).mro() if cls.__name__ in MODULES)


def _attach(module: Any, criterion: Criterion, name: str) -> None:
    attribute = _facts(module).criterion
    setattr(module, attribute, criterion.build(getattr(module, attribute)))
    for recorded in (module.hparams, module._hparams_initial):  # noqa: SLF001  what loggers get
        recorded["criterion"] = name


def _combined(criterion: Criterion) -> str:
    return f"{criterion.record.name}+{criterion.host}"


def _check_name(name: str, registry: Mapping[str, object]) -> None:
    """Raise ConfigError for a name that was meant for ours; the host's own error names none."""
    if name not in registry and name.lower().startswith("wavelit"):
        raise unknown_name("model", name, (known for known in registry if "waveliT" in known))


def _check_task(module: Any, name: str, ndim: int) -> None:
    """Raise ConfigError unless our model and the host's module both know that many axes."""
    plain = name.removesuffix("-periodic")
    if plain != MAXWELL and plain not in PRESETS:
        return
    facts = _facts(module)
    if ndim not in facts.ndims:
        raise ConfigError(
            f"{type(module).__name__} trains on {facts.ndims[0]} space axes, got n_spatial_dim "
            f"{ndim}; {facts.advice}"
        )
    if (plain == MAXWELL) != (ndim == 3):
        raise ConfigError(
            f"{name} does not fit n_spatial_dim {ndim}; {MAXWELL} is for 3 axes, the others for 2"
        )


def _check_length(module: Any) -> None:
    """Raise ConfigError when the host could not roll out within its trajectories."""
    asked, length = module.hparams, module.pde.trajlen
    history = asked.get("time_history", 1)
    steps = asked.get("time_future", 1) * asked["max_num_steps"]
    needed = history + asked.get("time_gap", 0) + steps
    if needed > length:
        raise ConfigError(
            f"trajlen is {length}, but {history} frames of history and a roll-out of "
            f"{asked['max_num_steps']} steps need {needed}; lower time_history or max_num_steps, "
            "or make longer trajectories"
        )


def _check_data(data: Any, trajlen: int) -> None:
    """Raise ConfigError for a grid in the input, and for trajectories shorter than announced."""
    if data.hparams.get("usegrid"):
        raise ConfigError(
            "waveliT knows positions by itself and takes no grid channels, got usegrid: true; "
            "set data.usegrid to false"
        )
    # the pipes that yield whole trajectories; that of validation is not in every data module
    pipe = getattr(data, "valid_dp2", getattr(data, "test_dp", ()))
    frames = next((len(parts[0]) for parts in pipe), trajlen)
    if frames < trajlen:
        raise ConfigError(
            f"trajlen is {trajlen}, but the trajectories in {data.data_dir} have {frames} frames; "
            f"set data.pde.trajlen to {frames}, or make longer trajectories"
        )


def _progress(module: Any) -> float:
    """Return the part of the training that is done, 0 where the host cannot tell.

    Of the host's own counts, which go on when a training is resumed.
    """
    trainer = module._trainer  # noqa: SLF001  (the public one raises where there is none)
    if trainer is None:
        return 0.0
    parts = [0.0]
    if trainer.max_steps > 0:
        parts.append(trainer.global_step / trainer.max_steps)
    if (trainer.max_epochs or 0) > 0:
        epochs = trainer.current_epoch + _part_of_epoch(trainer)
        parts.append(epochs / trainer.max_epochs)
    return max(parts)  # whichever limit ends it


def _part_of_epoch(trainer: Any) -> float:
    """Return the part of this epoch that is done; 0 in a first epoch of unknown length."""
    loop, batches = trainer.fit_loop.epoch_loop, trainer.num_training_batches
    if not isfinite(batches):  # most of the host's data do not know their number
        before = loop.total_batch_idx - loop.batch_idx
        # a batch that was interrupted counts twice in the total
        batches = round(before / max(trainer.current_epoch, 1))
    return min(loop.batch_idx / batches, 1.0) if batches else 0.0
