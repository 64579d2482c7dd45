"""neuraloperator 2.x: our models as it builds, calls, saves and pickles them.

Its batches are (batch, channel, *space), which is the house's own layout, so nothing is re-laid
out. Its Trainer calls ``model(**sample)`` with input ``x`` and target ``y``. Reading a pickled
model imports this module, and so the host.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from neuralop.models.base_model import BaseModel

from wavelit_plugin.autoload.records import Refusal, Registration, add_key
from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.shapes import Field

# what get_model and zencfg add to every model's options
_BOOKKEEPING = {"arch", "_config_name", "model_arch", "data_channels", "verbose"}


class _Unregistered:
    """Keeps the host's BaseModel from registering our classes the moment they are created.

    They are also created where a saved model is read and nobody asked for a registration.
    """

    preset: str

    def __init_subclass__(cls, name: str | None = None, **options: Any) -> None:
        if cls.__module__ != __name__:  # somebody's subclass is the host's affair
            super().__init_subclass__(name=name, **options)  # type: ignore[call-arg]
            return
        super(BaseModel, cls).__init_subclass__(**options)
        cls.preset = cls._name = name  # type: ignore[attr-defined, assignment]


class WaveLiTOperator(_Unregistered, BaseModel, name="waveliT"):  # type: ignore[misc]
    """WaveLiT as neuraloperator builds, calls and saves it; delegates to ``core``.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        **options: any knob of WaveLiTConfig. Options of the host's other models are ignored with
            one warning, so an existing config works when only its ``model_arch`` is changed;
            ``ndim`` is then the length of ``n_modes``.

    Raises:
        ConfigError: an option that neither WaveLiT nor any model of the host knows, or a value
            that WaveLiT cannot use.
    """

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
        if y is None or not self.training or not self.core.normalizer.looking:
            return self.core(x)
        shape = (len(x), self.core.config.out_channels, *x.shape[2:])
        return self.core(x, target=y if tuple(y.shape) == shape else _in_patches(y, shape))


class WaveLiT1MOperator(WaveLiTOperator, name="waveliT-1M"):
    """The same, with the knobs of ``waveliT-1M``."""


class WaveLiT4MOperator(WaveLiTOperator, name="waveliT-4M"):
    """The same, with the knobs of ``waveliT-4M``."""


class WaveLiT10MOperator(WaveLiTOperator, name="waveliT-10M"):
    """The same, with the knobs of ``waveliT-10M``."""


MODELS = (WaveLiTOperator, WaveLiT1MOperator, WaveLiT4MOperator, WaveLiT10MOperator)
"""One class a preset, each importable by its own name, so that models can be pickled."""


def register_models(module: ModuleType) -> Iterator[Registration | Refusal]:
    """Add ``waveliT`` and its presets to ``BaseModel._models``, for ``get_model``."""
    for model in MODELS:
        yield add_key(module.BaseModel._models, model.preset.lower(), model)  # noqa: SLF001


def _in_patches(y: Field, shape: tuple[int, ...]) -> Field | None:
    """Cut a target as the host's multi-grid patching has cut the input, with the same margins.

    None where the shapes are not of that: patches that are not stitched together come without the
    margins.
    """
    from neuralop.training.patching import make_patches

    patches = math.isqrt(shape[0] // max(len(y), 1))
    whole = y.shape[2:]
    if not y.ndim == len(shape) == 4 or patches < 2 or any(size % patches for size in whole):
        return None
    margins = [(n - size // patches) // 2 for n, size in zip(shape[2:], whole, strict=True)]
    if min(margins) < 0:
        return None
    cut = make_patches(y, n=patches, p=margins)
    return cut if tuple(cut.shape) == shape else None


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
    if "ndim" not in knobs and options.get("n_modes") is not None:
        knobs["ndim"] = _axes(options["n_modes"])
    return knobs


def _axes(modes: object) -> int:
    if isinstance(modes, Sequence) and not isinstance(modes, str) and 1 <= len(modes) <= 3:
        return len(modes)
    raise ConfigError(
        f"n_modes must be a list with one number for each space axis, got {modes!r}; give such a "
        "list, or ndim"
    )


def _host_options() -> set[str]:
    models = [cls for cls in BaseModel._models.values() if not issubclass(cls, WaveLiTOperator)]  # noqa: SLF001
    return _BOOKKEEPING.union(*(inspect.signature(cls.__init__).parameters for cls in models))


def _plain(value: Any) -> Any:
    """Replace the host's own container types by dict, list and tuple."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return [_plain(item) for item in value] if isinstance(value, list) else value
