"""A training step and an inference call of WaveLiT against neuraloperator's operators.

    python -m benchmarks.training_step [--device cuda] [--quick]

All operators have about a million parameters (``operators.MILLION``), batch 8, float32, AdamW and
mean squared error; ratios are to FNO, sample by sample in one run. On a GPU WaveLiT is there with
``compile: true`` too, and what share of the card's rate in float32 matrix products a step reaches:
the operations of forward and backward, as torch counts them (FFTs are left out), over the time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from neuralop.models import FNO
from torch import nn

from benchmarks.harness import interleaved_seconds, median_ratio, peak_bytes, write_results
from benchmarks.operators import MILLION, Rival
from wavelit_plugin.compare.cost import forward_flops
from wavelit_plugin.hosts.neuraloperator import operator_class
from wavelit_plugin.model.statistics import FieldStatistics

PACKAGES = ("torch", "neuraloperator", "wavelit-plugin")
CHANNELS = (5, 3)


def training_step(
    model: nn.Module, size: int, batch: int, device: str, ndim: int = 2
) -> Callable[[], object]:
    """Return a function that does one whole optimizer step."""
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    u = torch.randn(batch, CHANNELS[0], *(size,) * ndim, device=device)
    target = torch.randn(batch, CHANNELS[1], *(size,) * ndim, device=device)

    def step() -> None:
        loss = (model(u) - target).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def inference(
    model: nn.Module, size: int, batch: int, device: str, ndim: int = 2
) -> Callable[[], object]:
    """Return a function that predicts one batch without gradients."""
    model = model.to(device).eval()
    u = torch.randn(batch, CHANNELS[0], *(size,) * ndim, device=device)

    def predict() -> None:
        with torch.inference_mode():
            model(u)

    return predict


MILLION_3D: tuple[Rival, ...] = (
    MILLION[0],
    Rival(
        name="FNO",
        build=lambda i, o, n: FNO(
            n_modes=(8,) * n, hidden_channels=20, in_channels=i, out_channels=o, n_layers=4
        ),
        rates=(),
    ),
)
"""About a million parameters each in three dimensions."""

COMPILED = Rival(
    name="WaveLiT, compiled",
    build=lambda i, o, n: operator_class("waveliT")(
        in_channels=i, out_channels=o, ndim=n, compile=True
    ),
    rates=(),
)
"""In training; its inference is not compiled."""

KINDS = {"training step": training_step, "inference": inference}
PRODUCT = 8192
"""Rows and columns of the matrix product that tells a GPU's rate."""


def product_rate(device: str) -> float:
    """Return the floating-point operations a second of a large float32 matrix product."""
    a, b = (torch.randn(PRODUCT, PRODUCT, device=device) for _ in range(2))
    samples = interleaved_seconds({"product": lambda: a @ b}, repeats=5, device=device)
    return 2 * PRODUCT**3 / statistics.median(samples["product"])


def step_flops(rival: Rival, size: int, batch: int, device: str, ndim: int) -> float | None:
    """Return the operations of forward and backward: of each product the backward makes two."""
    u = torch.randn(1, CHANNELS[0], *(size,) * ndim, device=device)
    forward = forward_flops(_frozen(rival, ndim).to(device), u)
    return None if forward is None else 3 * batch * forward


def records(
    sizes: list[int], batch: int, repeats: int, device: str, ndim: int = 2
) -> list[dict[str, Any]]:
    """Measure every operator at every size, FNO being the reference of the ratios."""
    rows, known = [], MILLION if ndim == 2 else MILLION_3D
    rate = product_rate(device) if device == "cuda" else None
    for size in sizes:
        for kind, make in KINDS.items():
            compiles = device == "cuda" and kind == "training step"
            rivals = (*known, COMPILED) if compiles else known
            calls = {r.name: make(_frozen(r, ndim), size, batch, device, ndim) for r in rivals}
            samples = interleaved_seconds(calls, repeats=repeats, device=device)
            peaks = {name: peak_bytes(call, device) for name, call in calls.items()}
            for rival in rivals:
                seconds = statistics.median(samples[rival.name])
                flops = step_flops(rival, size, batch, device, ndim) if compiles else None
                rows.append(
                    {
                        "operator": rival.name,
                        "call": kind,
                        "size": size,
                        "ndim": ndim,
                        "batch": batch,
                        "parameters_count": rival.parameters(*CHANNELS, ndim),
                        "median_seconds": seconds,
                        "product_rate_ratio": flops / seconds / rate if flops and rate else None,
                        "to_fno_ratio": median_ratio(samples[rival.name], samples["FNO"]),
                        "peak_bytes": peaks[rival.name],
                        "peak_to_fno_ratio": peaks[rival.name] / peaks["FNO"],
                    }
                )
                print(rows[-1], flush=True)
    return rows


def _frozen(rival: Rival, ndim: int) -> nn.Module:
    model = rival.build(*CHANNELS, ndim)
    for module in model.modules():
        if isinstance(module, FieldStatistics):
            module.freeze()  # the estimate of the first batches is no part of a step
    return model


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    parser.add_argument("--sizes-3d", type=int, nargs="*", default=[32])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one small size, two repeats")
    options = parser.parse_args()
    sizes, repeats = ([64], 2) if options.quick else (options.sizes, options.repeats)
    rows = records(sizes, options.batch, repeats, options.device)
    if not options.quick:
        rows += records(options.sizes_3d, options.batch, repeats, options.device, ndim=3)
    if not options.quick:
        settings = {
            "batch": options.batch,
            "repeats": repeats,
            "dtype": "float32",
            "threads_count": torch.get_num_threads(),
        }
        path = write_results(
            "training-step", options.device, packages=PACKAGES, settings=settings, records=rows
        )
        print(path)


if __name__ == "__main__":
    main()
