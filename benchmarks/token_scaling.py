"""How the cost of a training step grows with the number of tokens: the bar is linear.

    python -m benchmarks.token_scaling [--device cuda] [--quick]

The small WaveLiT (width 64, 4 blocks, one wavelet level), batch 1, from 64x64 to 512x512 points.
The exponent is the slope of log seconds over log tokens, least squares over all sizes.
"""

from __future__ import annotations

import argparse
import math
import statistics

import torch

from benchmarks.harness import interleaved_seconds, peak_bytes, write_results
from benchmarks.training_step import CHANNELS, PACKAGES, TrainingStep
from wavelit_plugin.model import WaveLiT, WaveLiTConfig


def build() -> WaveLiT:
    """Return the model, its statistics frozen: the estimate of the first batches is no step."""
    inner, outer = CHANNELS
    model = WaveLiT(WaveLiTConfig(in_channels=inner, out_channels=outer, resolution="native"))
    model.normalizer.freeze()
    return model


def slope(tokens: list[int], values: list[float]) -> float:
    """Return the exponent of a power law through the points."""
    x, y = [math.log(t) for t in tokens], [math.log(v) for v in values]
    return statistics.linear_regression(x, y).slope


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256, 512])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two small sizes, two repeats")
    options = parser.parse_args()
    sizes, repeats = ([64, 128], 2) if options.quick else (options.sizes, options.repeats)
    calls = {str(size): TrainingStep(build(), size, 1, options.device) for size in sizes}
    samples = interleaved_seconds(calls, repeats=repeats, device=options.device)
    tokens = [(size // 2) ** 2 for size in sizes]
    seconds = [statistics.median(samples[str(size)]) for size in sizes]
    memory = [peak_bytes(calls[str(size)], options.device) for size in sizes]
    rows: list[dict[str, object]] = [
        {"size": s, "tokens_count": t, "median_seconds": v, "peak_bytes": m}
        for s, t, v, m in zip(sizes, tokens, seconds, memory, strict=True)
    ]
    exponents = {
        "seconds_exponent": slope(tokens, seconds),
        "bytes_exponent": slope(tokens, [float(m) for m in memory]),
    }
    for row in (*rows, exponents):
        print(row)
    if not options.quick:
        threads = torch.get_num_threads()
        settings = {"repeats": repeats, "batch": 1, "threads_count": threads, **exponents}
        print(
            write_results(
                "token-scaling", options.device, packages=PACKAGES, settings=settings, records=rows
            )
        )


if __name__ == "__main__":
    main()
