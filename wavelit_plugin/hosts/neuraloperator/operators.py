"""neuraloperator 2.x: its models on regular grids, as operators of a comparison.

SFNO is for a sphere, GINO, FNOGNO and OTNO are for points and surfaces, RNO is for sequences, and
UQNO is a bound around another operator, so they are not here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from typing import Any

from torch import nn

from wavelit_plugin.hosts.availability import lacking
from wavelit_plugin.hosts.neuraloperator import HOSTS
from wavelit_plugin.plugins.types import GridTask, OperatorRecord
from wavelit_plugin.shapes import Field

ECOSYSTEM = "neuraloperator"

# the host counts both signs of a wave number: 32 are 16 waves an axis
_MODES = {1: 32, 2: 16, 3: 8}
_LAYERS = 4
_RATES = (2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2)


class Codano(nn.Module):
    """CODANO between different numbers of channels; delegates to ``core``.

    Its variables are the first channels of the input, as many as the output has; the others are
    the static channels that it knows apart.
    """

    def __init__(self, core: nn.Module, variables: list[str]) -> None:
        super().__init__()
        self.core, self.variables = core, variables

    def forward(self, u: Field) -> Field:
        """Map (batch, in_channel, *space) to (batch, variable, *space)."""
        count = len(self.variables)
        static = u[:, count:] if u.shape[1] > count else None
        return self.core(u[:, :count], static, self.variables)


def modes_of(task: GridTask) -> list[int]:
    """Return the modes of each axis, both signs counted.

    >>> task = GridTask(in_channels=1, out_channels=1, size=(64, 24), boundary=("open",) * 2,
    ...                 continues=False, fields=("u",))
    >>> modes_of(task)
    [16, 12]
    """
    return [min(_MODES[task.ndim], points // 2) for points in task.size]


def _fno(task: GridTask, width: int | None) -> nn.Module:
    from neuralop.models import FNO

    return FNO(**_spectral(task, width))


def _tfno(task: GridTask, width: int | None) -> nn.Module:
    from neuralop.models import TFNO

    # of the rank of the host's own examples
    return TFNO(**_spectral(task, width), factorization="tucker", rank=0.42)


def _local(task: GridTask, width: int | None) -> nn.Module:
    from neuralop.models import LocalNO

    # all that its local layers know
    ends = "periodic" if set(task.boundary) == {"periodic"} else "zeros"
    return LocalNO(
        **_spectral(task, width), default_in_shape=list(task.size), conv_padding_mode=ends
    )


def _spectral(task: GridTask, width: int | None) -> dict[str, Any]:
    return {
        "n_modes": tuple(modes_of(task)),
        "in_channels": task.in_channels,
        "out_channels": task.out_channels,
        "hidden_channels": width or 64,
        "n_layers": _LAYERS,
    }


def _uno(task: GridTask, width: int | None) -> nn.Module:
    from neuralop.models import UNO

    width, modes = width or 64, modes_of(task)
    halved = [max(2, count // 2) for count in modes]
    with redirect_stdout(StringIO()):  # it prints its options
        return UNO(
            in_channels=task.in_channels,
            out_channels=task.out_channels,
            hidden_channels=width,
            projection_channels=2 * width,
            n_layers=5,
            uno_out_channels=[width] * 5,
            uno_n_modes=[modes, halved, halved, halved, modes],
            uno_scalings=[[scale] * task.ndim for scale in (1.0, 0.5, 1.0, 2.0, 1.0)],
            channel_mlp_skip="linear",
        )


def _codano(task: GridTask, width: int | None) -> nn.Module:
    from neuralop.models import CODANO

    width, variables = width or 32, [f"field{i}" for i in range(task.out_channels)]
    with redirect_stdout(StringIO()):  # it prints its options
        core = CODANO(
            hidden_variable_codimension=width,
            lifting_channels=2 * width,
            projection_channels=2 * width,
            attention_token_dim=width,
            static_channel_dim=task.in_channels - task.out_channels,
            use_positional_encoding=True,  # without it, it cannot tell one field from another
            positional_encoding_modes=modes_of(task),
            variable_ids=variables,
            n_layers=_LAYERS,
            n_modes=[modes_of(task)] * _LAYERS,
            n_heads=[2] * _LAYERS,
            per_layer_scaling_factors=[[1] * task.ndim] * _LAYERS,
            attention_scaling_factors=[0.5] * _LAYERS,
        )
    return Codano(core, variables)


def _widths(_task: GridTask) -> Iterable[int]:
    return range(4, 513)


def _missing() -> str | None:
    return lacking(HOSTS[0], ["neuralop"], remedy="install wavelit-plugin[neuraloperator]")


def _local_missing() -> str | None:
    harmonics = lacking(HOSTS[0], ["torch_harmonics"], remedy="install torch-harmonics==0.7.4")
    return _missing() or harmonics


def _even(task: GridTask) -> str | None:
    return None if not any(points % 2 for points in task.size) else "sizes must be even"


def _plane(task: GridTask) -> str | None:
    return None if task.ndim == 2 else "2-D only"


def _several_fields(task: GridTask) -> str | None:
    if task.ndim == 1:
        return "2-D and 3-D only"
    fields = task.out_channels
    return None if 2 <= fields <= task.in_channels else "2 outputs or more, and as many inputs"


_operator: Callable[..., OperatorRecord] = partial(
    OperatorRecord,
    ecosystem=ECOSYSTEM,
    widths=_widths,
    learning_rates=_RATES,
    missing=_missing,
)

OPERATORS: tuple[OperatorRecord, ...] = (
    _operator(name="FNO", summary="Fourier neural operator, four layers", build=_fno),
    _operator(name="TFNO", summary="FNO with Tucker-factorised weights, rank 0.42", build=_tfno),
    _operator(name="UNO", summary="U-shaped FNO, five layers", build=_uno, takes=_even),
    _operator(
        name="LocalNO",
        summary="FNO with local integrals and differences beside each layer",
        build=_local,
        missing=_local_missing,
        takes=_plane,
    ),
    _operator(
        name="CODANO",
        summary="attention between fields, four layers",
        build=_codano,
        takes=_several_fields,
    ),
)
