"""The roll-out that pictures are made of, kept beside the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from wavelit_plugin.errors import DataError
from wavelit_plugin.files import write_file

SHOWN = "shown.safetensors"

_PREDICTION = "prediction"


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The first test trajectory and the model's roll-out of it.

    Attributes:
        fields: names.
        truth: the frames that are predicted.
        prediction: of the model.
    """

    fields: tuple[str, ...]
    truth: Float[Tensor, "step field *space"]
    prediction: Float[Tensor, "step field *space"]

    @property
    def flat(self) -> bool:
        """Whether there is one space axis."""
        return self.truth.ndim == 3

    def plane(self, u: Tensor, step: int, field: int) -> Tensor:
        """Return what is shown of ``u`` (step, field, *space): of three axes the middle plane.

        One axis becomes space by time, of all steps.
        """
        if self.flat:
            return u[:, field].T
        part = u[step, field]
        return part[..., part.shape[-1] // 2] if part.ndim == 3 else part


def write_shown(folder: Path, rolled: Tensor) -> None:
    """Keep a roll-out (step, field, *space), whole or not at all."""
    write_file(folder / SHOWN, save({_PREDICTION: rolled.cpu().contiguous()}))


def read_shown(folder: Path, fields: tuple[str, ...], truth: Tensor) -> Shown:
    """Return what was kept, beside the true frames (step, field, *space).

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        prediction = load((folder / SHOWN).read_bytes())[_PREDICTION]
    except (OSError, KeyError, SafetensorError) as error:
        raise DataError(
            f"{folder / SHOWN} is missing or damaged ({error}); start again with --overwrite"
        ) from error
    return Shown(fields=fields, truth=truth, prediction=prediction)
