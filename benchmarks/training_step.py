"""A training step and an inference call of WaveLiT against neuraloperator's operators.

    python -m benchmarks.training_step [--device cuda] [--quick]

All operators have about a million parameters (``operators.MILLION``), float32, AdamW and mean
squared error; a batch is of 8 samples, fewer where they have more than POINTS together. Ratios are
to FNO, sample by sample in one run. On a GPU WaveLiT is there with
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

from benchmarks.harness import (
    interleaved_seconds,
    median_ratio,
    operations_count,
    peak_bytes,
    write_results,
)
from benchmarks.operators import MILLION, Rival
from wavelit_plugin.compare.cost import forward_flops
from wavelit_plugin.hosts.neuraloperator.model import WaveLiTOperator
from wavelit_plugin.model.monitor import SAMPLES
from wavelit_plugin.model.normalizer import Normalizer

PACKAGES = ("torch", "neuraloperator", "wavelit-plugin")
CHANNELS = (5, 3)


POINTS = 8 * 256**2
"""Most points of a batch of more than one sample."""


def batch_of(size: int, ndim: int, most: int) -> int:
    """Return how many samples of this size make a batch."""
    return max(1, min(most, POINTS // size**ndim))


class TrainingStep:
    """One whole optimizer step on random data."""

    def __init__(self, model: nn.Module, size: int, batch: int, device: str, ndim: int = 2) -> None:
        self.model = model.to(device).train()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        self.u = torch.randn(batch, CHANNELS[0], *(size,) * ndim, device=device)
        self.target = torch.randn(batch, CHANNELS[1], *(size,) * ndim, device=device)

    def gradients(self) -> None:
        """Compute what the optimizer needs."""
        loss = (self.model(self.u) - self.target).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()

    def __call__(self) -> None:
        """Do the step."""
        self.gradients()
        self.optimizer.step()


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
    build=lambda i, o, n: WaveLiTOperator(in_channels=i, out_channels=o, ndim=n, compile=True),
    rates=(),
)
"""In training; its inference is not compiled."""

KINDS: dict[str, Callable[..., Callable[[], object]]] = {
    "training step": TrainingStep,
    "inference": inference,
}
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
    sizes: list[int], most: int, repeats: int, device: str, ndim: int = 2
) -> list[dict[str, Any]]:
    """Measure every operator at every size, FNO being the reference of the ratios."""
    rows, known = [], MILLION if ndim == 2 else MILLION_3D
    rate = product_rate(device) if device == "cuda" else None
    for size in sizes:
        batch = batch_of(size, ndim, most)
        for kind, make in KINDS.items():
            compiles = device == "cuda" and kind == "training step"
            rivals = (*known, COMPILED) if compiles else known
            calls = {r.name: make(_frozen(r, ndim), size, batch, device, ndim) for r in rivals}
            samples = interleaved_seconds(calls, repeats=repeats, device=device)
            peaks = {name: peak_bytes(call, device) for name, call in calls.items()}
            operations = {name: operations_count(_counted(call)) for name, call in calls.items()}
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
                        "operations_count": operations[rival.name],
                        "median_seconds": seconds,
                        "product_rate_ratio": flops / seconds / rate if flops and rate else None,
                        "to_fno_ratio": median_ratio(samples[rival.name], samples["FNO"]),
                        "peak_bytes": peaks[rival.name],
                        "peak_to_fno_ratio": peaks[rival.name] / peaks["FNO"],
                    }
                )
                print(rows[-1], flush=True)
    return rows


def _counted(call: Callable[[], object]) -> Callable[[], object]:
    # on the CPU the optimizer goes through the parameters one by one, on a GPU it does not
    return call.gradients if isinstance(call, TrainingStep) else call


def _frozen(rival: Rival, ndim: int) -> nn.Module:
    model = rival.build(*CHANNELS, ndim)
    for module in model.modules():
        if isinstance(module, Normalizer):
            module.freeze()  # the estimate of the first batches is no part of a step
            module._monitor.looked = 3 * SAMPLES  # noqa: SLF001  (nor is the rare look at the data)
    return model


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--sizes-3d", type=int, nargs="*", default=[32, 64, 128])
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
