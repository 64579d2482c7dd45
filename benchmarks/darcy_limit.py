"""How well the solution can be known from the coefficient on 16x16 points: a solver on that grid.

    python -m benchmarks.darcy_limit --data FOLDER   # neuraloperator's darcy_{train,test}_16.pt

The published pairs were computed on a finer grid and thinned out, which the coefficient on the
coarse one does not tell. Here ``-div(a grad u) = 1`` is solved on the coarse grid itself, by finite
volumes with harmonic means on the faces. The files hold a as 0 and 1 and u in units of their own:
the contrast of a and the factor of u are fitted on the training samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import write_results
from wavelit_plugin.data.darcy import solve_darcy
from wavelit_plugin.metrics import relative_l2, vrmse

CONTRASTS = tuple(float(contrast) for contrast in range(10, 31))
FITTED_ON = 100  # training samples
_ON_THE_BOUNDARY = 1e-3  # distance of the first points from it, in spacings; the last are one off


def solve(coefficient: Tensor) -> Tensor:
    """Return u of (sample, n, n) coefficients, zero on the boundary, over the spacing squared.

    The points are i / n, so the first ones lie on the boundary and the last ones a spacing off it.
    """
    source = torch.ones_like(coefficient)
    return solve_darcy(coefficient, source, 1.0, ends=(_ON_THE_BOUNDARY, 1.0))


def factor(solution: Tensor, wanted: Tensor) -> Tensor:
    """Return what brings solutions to the units of the files, by least squares."""
    return (solution * wanted).sum() / solution.square().sum()


def load(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    """Return coefficient (0 and 1) and solution, (sample, 16, 16) each."""
    pairs = torch.load(folder / f"darcy_{split}_16.pt", weights_only=True)
    return pairs["x"].double(), pairs["y"].double()


def errors(x: Tensor, y: Tensor, contrast: float, scale: Tensor | None = None) -> dict[str, float]:
    """Return the errors of the solver at a contrast, and the factor: fitted if not given."""
    solution = solve(1 + (contrast - 1) * x)
    scale = factor(solution, y) if scale is None else scale
    pair = (scale * solution)[:, None], y[:, None]
    return {
        "vrmse": float(vrmse(*pair).mean()),
        "relative_l2": float(relative_l2(*pair).mean()),
        "factor": float(scale),
    }


def main() -> None:
    """Fit on training samples, measure on the test samples, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the two files")
    folder = parser.parse_args().data
    x, y = (part[:FITTED_ON] for part in load(folder, "train"))
    fitted = {contrast: errors(x, y, contrast) for contrast in CONTRASTS}
    contrast = min(fitted, key=lambda tried: fitted[tried]["vrmse"])
    scale = torch.tensor(fitted[contrast]["factor"])
    record = {"contrast_ratio": contrast, **errors(*load(folder, "test"), contrast, scale)}
    settings = {"fitted_on_count": FITTED_ON, "contrasts": list(CONTRASTS)}
    print(record)
    print(
        write_results(
            "darcy-limit", "cpu", packages=("torch",), settings=settings, records=[record]
        )
    )


if __name__ == "__main__":
    main()
