"""Direct solution of an equation on a grid whose rows of cells touch their neighbours only."""

from collections.abc import Callable

import torch
from jaxtyping import Num
from torch import Tensor

Rows = Num[Tensor, "*batch row column"]


def solve_rows(block: Callable[[int], Tensor], between: Rows, right: Rows) -> Rows:
    """Solve by block elimination, one row of cells after the other.

    For n cells an axis this costs about n^4 operations, and memory for n^3 numbers.

    Args:
        block: returns the equations of a row among its own cells, (*batch, column, column).
        between: what couples a cell to the one in the row before, (*batch, row, column); that of
            the first row is not looked at.
        right: the right side.
    """
    inverses: list[Tensor] = []
    reduced: list[Tensor] = []
    for row in range(right.shape[-2]):
        own, known, face = block(row), right[..., row, :], between[..., row, :]
        if row:
            own = own - face[..., :, None] * inverses[-1] * face[..., None, :]
            known = known - face * _times(inverses[-1], reduced[-1])
        inverses.append(torch.linalg.inv(own))
        reduced.append(known)
    solved = [_times(inverses[-1], reduced[-1])]
    for row in range(right.shape[-2] - 2, -1, -1):
        rest = reduced[row] - between[..., row + 1, :] * solved[-1]
        solved.append(_times(inverses[row], rest))
    return torch.stack(solved[::-1], dim=-2)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]
