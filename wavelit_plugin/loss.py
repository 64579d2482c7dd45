"""Component 4, the wavelet-domain loss: errors weighed band by band, beside a loss of the host."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.shapes import (
    Field,
    check_field,
    check_int,
    check_same_shape,
    full_precision,
    per_axis,
    without_autocast,
)
from wavelit_plugin.wavelets import WaveletCoefficients, check_wavelet, dwt

Reduction = Literal["mean", "sum", "none"]
Base = Callable[..., Tensor]

_FLOOR = 0.02  # least scale of a band over the field's own
_ALL_HIGH = 0.5  # weight of the orientation that is high along every axis: mostly grid noise
# an update that is smaller than this against its field is rounding: its units are kept
_ROUNDING = 1e-6


def wavelet_loss(
    prediction: Field,
    target: Field,
    *,
    state: Field | None = None,
    levels: int = 2,
    wavelet: str = "haar",
    boundary: str | Sequence[str] = "periodic",
    exponent: float = 1.0,
    whitening: float = 0.5,
    normalize: bool = True,
    all_high: float = _ALL_HIGH,
) -> Tensor:
    """Return the (batch, channel) wavelet-domain error, shape of the first two axes.

    With e_b the bands of the residual, N their number of coefficients, sigma_b the root mean
    square of band b of the update and sigma that of the update itself::

        L = 1/N sum_b omega_b sum |e_b|^p / s_b^p,  s_b^2 = sigma_b^(2 gamma) sigma^(2 (1 - gamma))

    (docs/mathematics.md, eq. 7). With p = 2, gamma = 0, omega = 1 and sigma = 1 this is the mean
    squared error, by Parseval's identity, on sizes that need no padding.

    Args:
        prediction: (batch, channel, *space); no channel at all gives an empty result.
        target: of the same shape.
        state: what the target continues; the update is then ``target - state``, else ``target``
            about its mean.
        levels: wavelet levels, one more than the model's tokenizer.
        wavelet: as for ``dwt``.
        boundary: as for ``dwt``.
        exponent: p, at least 1: below, the gradient at zero error is infinite.
        whitening: gamma in 0..1; 1 gives all bands the same weight, 0 leaves them as they are.
        normalize: divide by s_b at all; sigma is that of this batch. Channels whose update is
            zero, or rounding, are not divided.
        all_high: omega of the orientation that is high along every axis; 1 elsewhere.

    Raises:
        ShapeError: no fields (batch, channel, *space), or of different shapes.
        ConfigError: exponent, gamma or a name out of range.
    """
    given = {} if state is None else {"state": state}
    check_same_shape(prediction=prediction, target=target, **given)
    check_field(target, name="target")
    _check_range(exponent, whitening, all_high=all_high)
    with without_autocast(prediction):
        target = full_precision(target)
        residual = full_precision(prediction) - target
        transform = partial(dwt, wavelet=wavelet, levels=levels, boundary=boundary)
        errors = _bands(transform(residual))
        scales = _scales(target, state, whitening, transform) if normalize else None
        total, count = residual.new_zeros(residual.shape[:2]), 0
        for index, band in enumerate(errors):
            size = band / scales[index] if scales is not None else band
            weight = all_high if _is_all_high(index, residual.ndim - 2) else 1.0
            total = total + weight * size.abs().pow(exponent).sum(-1)
            count += band.shape[-1]
    return total / count


class WaveletLoss(nn.Module):
    """A base loss plus ``weight`` times the wavelet-domain loss.

    ``loss(prediction, target)`` for (batch, channel, *space). The base is, by default, the mean
    VRMSE over channels; any callable ``base(prediction, target)`` that reduces as ``reduction``
    says may stand in, or None for the wavelet term alone.

    Args:
        base: ``"vrmse"``, a callable or None.
        weight: of the wavelet term, at first.
        final_weight: of the wavelet term at the end; it decays linearly over the last tenth.
        reduction: ``mean`` over the batch, ``sum`` over the batch (neuralop's convention), or
            ``none`` for (batch, channel), without a callable base.
        levels, wavelet, boundary, exponent, whitening: see ``wavelet_loss``.

    Raises:
        ConfigError: a value out of range or an unknown reduction, base, wavelet or boundary.

    >>> u = torch.linspace(0, 1, 16).reshape(1, 1, 16)
    >>> float(WaveletLoss()(u, u))
    0.0
    """

    def __init__(
        self,
        base: Base | Literal["vrmse"] | None = "vrmse",
        *,
        weight: float = 0.1,
        final_weight: float = 0.02,
        reduction: Reduction = "mean",
        levels: int = 2,
        wavelet: str = "haar",
        boundary: str | Sequence[str] = "periodic",
        exponent: float = 1.0,
        whitening: float = 0.5,
    ) -> None:
        super().__init__()
        _check_range(exponent, whitening, weight=weight, final_weight=final_weight)
        if reduction not in get_args(Reduction):
            raise unknown_name("reduction", str(reduction), get_args(Reduction))
        if base is not None and base != "vrmse" and not callable(base):
            raise unknown_name("base loss", str(base), ("vrmse",))
        if reduction == "none" and callable(base):
            raise ConfigError(
                "reduction='none' has no meaning for another base loss; use base=None"
            )
        check_int("levels", levels, 1)
        several = isinstance(boundary, Sequence) and not isinstance(boundary, str)
        check_wavelet(wavelet, per_axis(boundary, len(boundary) if several else 1))
        self.base, self.reduction = base, reduction
        self.weight, self.first_weight, self.final_weight = weight, weight, final_weight
        self.settings = {
            "levels": levels,
            "wavelet": wavelet,
            "boundary": boundary,
            "exponent": exponent,
            "whitening": whitening,
        }

    def forward(self, prediction: Field, target: Field, *, state: Field | None = None) -> Tensor:
        """Return the loss; ``state`` is what the target continues, see ``wavelet_loss``."""
        term = wavelet_loss(prediction, target, state=state, **self.settings)  # type: ignore[arg-type]
        if callable(self.base):
            return self.base(prediction, target) + self.weight * self._reduced(term)
        if self.base == "vrmse":
            return self._reduced(vrmse(prediction, target) + self.weight * term)
        return self._reduced(self.weight * term)

    def set_progress(self, progress: float) -> None:
        """Set the weight for a ``progress`` of training between 0 and 1."""
        late = min(max((progress - 0.9) / 0.1, 0.0), 1.0)
        self.weight = self.first_weight + late * (self.final_weight - self.first_weight)

    def extra_repr(self) -> str:
        """Show the settings when printed."""
        base = self.base if isinstance(self.base, str | None) else type(self.base).__name__
        shown = {"base": base, "weight": self.weight, "reduction": self.reduction, **self.settings}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())

    def _reduced(self, per_channel: Tensor) -> Tensor:
        if self.reduction == "none":
            return per_channel
        # an empty slice of channels or of a batch counts as no error, not as NaN
        samples, channels = per_channel.shape
        total = per_channel.sum() / max(channels, 1)
        return total if self.reduction == "sum" else total / max(samples, 1)


def _bands(coefficients: WaveletCoefficients) -> list[Tensor]:
    """(batch, channel, coefficient) bands: the approximation, then each level's orientations."""
    details = [band for detail in coefficients.details for band in detail.unbind(2)]
    return [band.flatten(2) for band in (coefficients.approximation, *details)]


def _is_all_high(index: int, ndim: int) -> bool:
    return index > 0 and index % (2**ndim - 1) == 0


def _scales(
    target: Field,
    state: Field | None,
    whitening: float,
    transform: Callable[[Field], WaveletCoefficients],
) -> list[Tensor]:
    """s_b (1, channel, 1) of every band, from the update in this batch; a constant."""
    # detached instead of under no_grad, which the forward mode does not know
    target = target.detach()
    update = target - full_precision(state.detach()) if state is not None else target
    update = update - update.mean(dim=(0, *range(2, update.ndim)), keepdim=True)
    bands = _bands(transform(update))
    own, size = (_rms(u.flatten(2)) for u in (update, target))
    scales = (
        torch.maximum(_rms(band), _FLOOR * own) ** whitening * own ** (1 - whitening)
        for band in bands
    )
    return [torch.where(own > _ROUNDING * size, scale, 1.0) for scale in scales]


def _rms(values: Tensor) -> Tensor:
    """Root mean square over batch and points, (1, channel, 1)."""
    return values.square().mean(dim=(0, 2), keepdim=True).sqrt()


def _check_range(exponent: float, whitening: float, **weights: float) -> None:
    values = {"exponent": exponent, "whitening": whitening, **weights}
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ConfigError(f"{name} must be a finite number, got {value!r}")
    if exponent < 1:
        raise ConfigError(
            f"exponent must be at least 1, got {exponent}; below, the gradient at zero error is "
            "infinite"
        )
    if not 0 <= whitening <= 1:
        raise ConfigError(f"whitening must be between 0 and 1, got {whitening}")
