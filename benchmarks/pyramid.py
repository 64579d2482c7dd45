"""What the shared pyramid costs over a single scale, at equal blocks: the bar is 1.45 times.

    python -m benchmarks.pyramid [--device cuda] [--quick]

A training step of the preset ``waveliT-1M``; ratios are taken sample by sample in one run. With
activation checkpointing too, which the memory of a step is to be compared by.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch

from benchmarks.harness import interleaved_seconds, median_ratio, peak_bytes, write_results
from benchmarks.training_step import CHANNELS, PACKAGES, TrainingStep
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

KNOBS: dict[str, dict[str, Any]] = {
    "1 scale": {"pyramid_scales": 1},
    "2 scales": {"pyramid_scales": 2},
    "3 scales": {"pyramid_scales": 3},
    "3 scales, checkpointing": {"pyramid_scales": 3, "activation_checkpointing": True},
}


def build(ndim: int, **knobs: Any) -> WaveLiT:
    """Return the model, its statistics frozen: the estimate of the first batches is no step."""
    inner, outer = CHANNELS
    sizes = {"in_channels": inner, "out_channels": outer, "ndim": ndim}
    model = WaveLiT(WaveLiTConfig.preset("waveliT-1M", **sizes, **knobs))
    model.normalizer.freeze()
    return model


def records(ndim: int, size: int, batch: int, repeats: int, device: str) -> list[dict[str, Any]]:
    """Measure every variant at one size."""
    calls = {
        name: TrainingStep(build(ndim, **knobs), size, batch, device, ndim=ndim)
        for name, knobs in KNOBS.items()
    }
    samples = interleaved_seconds(calls, repeats=repeats, device=device)
    peaks = {name: peak_bytes(call, device) for name, call in calls.items()}
    return [
        {
            "variant": name,
            "ndim": ndim,
            "size": size,
            "batch": batch,
            "median_seconds": statistics.median(samples[name]),
            "to_single_scale_ratio": median_ratio(samples[name], samples["1 scale"]),
            "peak_bytes": peaks[name],
            "peak_to_single_scale_ratio": peaks[name] / peaks["1 scale"],
        }
        for name in KNOBS
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one size, two repeats")
    options = parser.parse_args()
    shapes, repeats = ([(2, 128)], 2) if options.quick else ([(2, 128), (2, 256), (3, 32)], 7)
    repeats = min(repeats, options.repeats)
    rows = []
    for ndim, size in shapes:
        rows += records(ndim, size, options.batch, repeats, options.device)
        print(*rows[-len(KNOBS) :], sep="\n", flush=True)
    if not options.quick:
        settings = {"repeats": repeats, "threads_count": torch.get_num_threads()}
        path = write_results(
            "pyramid", options.device, packages=PACKAGES, settings=settings, records=rows
        )
        print(path)


if __name__ == "__main__":
    main()
