"""Orthogonal filter taps by name, from PyWavelets, and the rules on where each may be used."""

from functools import lru_cache

import pywt
import torch

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.shapes import Boundary

HAAR = "haar"

# PyWavelets prints some taps with few digits; a filter that is less orthonormal than this would
# make the inverse visibly inexact (dmey reaches 1e-3, db38 1e-10)
_ORTHONORMAL_TO = 1e-9


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def wavelet_names() -> tuple[str, ...]:
    """Return the names that ``dwt`` accepts: the orthogonal discrete wavelets of PyWavelets."""
    return _orthonormal_names()


@lru_cache(maxsize=1)
def _orthonormal_names() -> tuple[str, ...]:
    named = [HAAR, *(name for name in pywt.wavelist(kind="discrete") if name != HAAR)]
    return tuple(name for name in named if _is_orthonormal(name))


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def filter_taps(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the low-pass and high-pass synthesis taps; analysis is their correlation."""
    taps = pywt.Wavelet(wavelet)
    return tuple(taps.rec_lo), tuple(taps.rec_hi)


def check_wavelet(wavelet: str, boundary: tuple[Boundary, ...]) -> None:
    """Raise ConfigError unless the wavelet exists and may be used with these boundaries.

    Haar reaches over two points only, so it needs no rule for the boundary; longer filters are
    used in periodization form, which is right on periodic axes alone.
    """
    if wavelet not in wavelet_names():
        raise unknown_name("wavelet", wavelet, wavelet_names())
    if wavelet != HAAR and any(name != "periodic" for name in boundary):
        raise ConfigError(
            f"wavelet {wavelet!r} wraps around, so it needs periodic axes, got boundary "
            f"{boundary}; use wavelet='haar', or boundary='periodic' if the domain is periodic"
        )


def _is_orthonormal(name: str) -> bool:
    taps = pywt.Wavelet(name)
    if not taps.orthogonal:
        return False
    low = torch.tensor(taps.rec_lo, dtype=torch.float64)
    shifts = torch.stack([low.roll(2 * k) for k in range(len(low) // 2)])
    # zero the part that rolled around: only true shifts must be orthogonal
    for k in range(1, len(low) // 2):
        shifts[k, : 2 * k] = 0.0
    error = shifts @ low - torch.eye(len(shifts), dtype=torch.float64)[0]
    return bool(error.abs().max() < _ORTHONORMAL_TO)
