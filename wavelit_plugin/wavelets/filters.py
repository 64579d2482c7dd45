"""Orthogonal filter taps by name, from PyWavelets, and the rules on where each may be used."""

from functools import lru_cache

import numpy as np
import pywt
import torch

from wavelit_plugin.errors import ConfigError, unknown_name
from wavelit_plugin.shapes import Boundary

HAAR = "haar"

# PyWavelets prints some taps with few digits; a filter that is less orthonormal than this would
# make the inverse visibly inexact (dmey misses by 2e-3, sym20, the worst that stays, by 1.4e-11)
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
        raise unknown_name("wavelet", str(wavelet), wavelet_names())
    if wavelet != HAAR and any(name != "periodic" for name in boundary):
        raise ConfigError(
            f"wavelet {wavelet!r} wraps around, so it needs periodic axes, got boundary "
            f"{boundary}; use wavelet='haar', or boundary='periodic' if the domain is periodic"
        )


def _is_orthonormal(name: str) -> bool:
    taps = pywt.Wavelet(name)
    if not taps.orthogonal:
        return False
    # numpy: under torch.device("meta") a tensor made here would have no values
    low = np.asarray(taps.rec_lo)
    shifts = [np.dot(low[2 * k :], low[: len(low) - 2 * k]) for k in range(len(low) // 2)]
    return bool(np.abs(np.asarray(shifts) - np.eye(1, len(shifts))).max() < _ORTHONORMAL_TO)
