"""The operators that the benchmarks compare: records of how each is built at about one size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neuralop.models import FNO, TFNO, UNO
from neuralop.utils import count_model_params
from torch import nn

from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator

Build = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True, kw_only=True)
class Rival:
    """An operator for (in_channels, out_channels, ndim), and the learning rates to try."""

    name: str
    build: Build
    rates: tuple[float, ...]

    def parameters(self, in_channels: int, out_channels: int, ndim: int = 2) -> int:
        """Return the host's own count: complex numbers are two."""
        return int(count_model_params(self.build(in_channels, out_channels, ndim)))


def _fno(modes: int, width: int) -> Build:
    return lambda i, o, n: FNO(
        n_modes=(modes,) * n, hidden_channels=width, in_channels=i, out_channels=o, n_layers=4
    )


def _tfno(modes: int, width: int) -> Build:
    return lambda i, o, n: TFNO(
        n_modes=(modes,) * n,
        hidden_channels=width,
        in_channels=i,
        out_channels=o,
        n_layers=4,
        factorization="tucker",
        rank=0.42,
    )


def _uno(modes: int, width: int) -> Build:
    def build(i: int, o: int, n: int) -> nn.Module:
        inner = [modes, modes // 2, modes // 2, modes // 2, modes]
        return UNO(
            in_channels=i,
            out_channels=o,
            hidden_channels=width,
            projection_channels=2 * width,
            n_layers=5,
            uno_out_channels=[width, width, width, width, width],
            uno_n_modes=[[m] * n for m in inner],
            uno_scalings=[[s] * n for s in (1.0, 0.5, 1.0, 2.0, 1.0)],
            channel_mlp_skip="linear",
        )

    return build


def _wavelit(**knobs: object) -> Build:
    return lambda i, o, n: WaveLiTOperator(in_channels=i, out_channels=o, ndim=n, **knobs)


MILLION: tuple[Rival, ...] = (
    Rival(name="WaveLiT", build=_wavelit(), rates=(2e-3, 4e-3, 8e-3)),
    Rival(name="FNO", build=_fno(16, 32), rates=(5e-3, 1e-2, 2e-2)),
    Rival(name="TFNO", build=_tfno(16, 48), rates=(5e-3, 1e-2, 2e-2)),
    Rival(name="UNO", build=_uno(16, 32), rates=(5e-3, 1e-2, 2e-2)),
)
"""About a million parameters each in two dimensions."""

SMALL: tuple[Rival, ...] = (
    Rival(
        name="WaveLiT",
        build=_wavelit(width=44, depth=3, levels=1, heads=1),
        rates=(2e-3, 4e-3, 8e-3),
    ),
    Rival(
        name="FNO",
        build=lambda i, o, n: FNO(
            n_modes=(8,) * n,
            hidden_channels=24,
            in_channels=i,
            out_channels=o,
            projection_channel_ratio=2,
        ),
        rates=(5e-3, 1e-2, 2e-2),
    ),
)
"""For 16x16 Darcy flow: the host's own example of 191,881 parameters, and ours below it."""
