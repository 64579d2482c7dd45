"""The wavelet transform and its inverse, against pytorch_wavelets and ptwt.

    python -m benchmarks.dwt [--device cuda] [--quick] [--repeats N]

Values are compared before anything is timed. ptwt has no periodization: with filters longer than
Haar it keeps more coefficients than there are points, so only its round trip is compared then.
"""

import argparse
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch

import ptwt
import torch
from torch import Tensor

from benchmarks.harness import interleaved_seconds, median_ratio, peak_bytes, write_results
from wavelit_plugin.shapes import per_axis
from wavelit_plugin.wavelets import WaveletCoefficients, dwt, from_pytorch_wavelets, haar, idwt

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)
    import pytorch_wavelets

BATCH, CHANNELS = 4, 3
CASES = [("haar", 3), ("haar", 1), ("db4", 3)]
GPU_CASES = [("haar", 3), ("db4", 3)]
"""Wavelets and levels."""
OURS, FUSED = "wavelit-plugin", "wavelit-plugin, compiled"
PLAIN = "wavelit-plugin, without its GPU kernels"
PACKAGES = (OURS, "torch", "pytorch_wavelets", "ptwt", "PyWavelets")
SPACES = [(2**16,), *((2**k,) * 2 for k in range(6, 11)), (64,) * 3]
GPU_SPACES = [(2**22,), (256,) * 2, (1024,) * 2, (4096,) * 2, (256,) * 3]
"""Two small ones, where launches are what takes time, and those larger than a cache."""
QUICK_SPACES = [(2**16,), (64, 64), (256, 256)]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A transform, its inverse, and its coefficients as ours are laid out (None: they differ)."""

    forward: Callable[[Tensor], Any]
    inverse: Callable[[Any], Tensor]
    as_ours: Callable[[Any], WaveletCoefficients] | None

    def round_trip(self, u: Tensor) -> Tensor:
        return self.inverse(self.forward(u))


def our_transform(wavelet: str, levels: int) -> Contestant:
    return Contestant(
        forward=partial(dwt, wavelet=wavelet, levels=levels),
        inverse=idwt,
        as_ours=lambda coefficients: coefficients,
    )


def fused(ours: Contestant) -> Contestant:
    """Return the same, by torch.compile: the transform and its inverse one kernel each a level."""
    torch.compiler.reset()  # it gives up on a function of which it has seen many sizes
    forward, inverse = (torch.compile(f, fullgraph=True) for f in (ours.forward, ours.inverse))
    return Contestant(forward=forward, inverse=inverse, as_ours=ours.as_ours)


def without_kernels(ours: Contestant) -> Contestant:
    """Return the same in single operations of PyTorch, as where there is no Triton."""
    absent = partial(patch.object, haar, "_kernels_for", lambda _: None)
    return Contestant(
        forward=absent()(ours.forward),
        inverse=absent()(ours.inverse),
        as_ours=ours.as_ours,
    )


def pytorch_wavelets_transform(wavelet: str, ndim: int, levels: int, device: str) -> Contestant:
    kinds = [
        (pytorch_wavelets.DWT1DForward, pytorch_wavelets.DWT1DInverse),
        (pytorch_wavelets.DWTForward, pytorch_wavelets.DWTInverse),
    ]
    forward, inverse = kinds[ndim - 1]
    return Contestant(
        forward=forward(J=levels, wave=wavelet, mode="periodization").to(device),
        inverse=inverse(wave=wavelet, mode="periodization").to(device),
        as_ours=lambda coefficients: from_pytorch_wavelets(*coefficients, wavelet=wavelet),
    )


def ptwt_transform(wavelet: str, ndim: int, levels: int) -> Contestant:
    kinds = [
        (ptwt.wavedec, ptwt.waverec),
        (ptwt.wavedec2, ptwt.waverec2),
        (ptwt.wavedec3, ptwt.waverec3),
    ]
    forward, inverse = kinds[ndim - 1]
    return Contestant(
        forward=partial(forward, wavelet=wavelet, mode="periodic", level=levels),
        inverse=partial(inverse, wavelet=wavelet),
        as_ours=partial(_from_ptwt, ndim=ndim) if wavelet == "haar" else None,
    )


def _from_ptwt(coefficients: Sequence[Any], ndim: int) -> WaveletCoefficients:
    coarse, *details = coefficients
    stacked = [torch.stack(_ptwt_bands(detail, ndim), dim=2) for detail in reversed(details)]
    size = tuple(points * 2 ** len(details) for points in coarse.shape[2:])
    axes = per_axis("periodic", ndim)
    return WaveletCoefficients(coarse, tuple(stacked), size, "haar", axes)


def _ptwt_bands(detail: Any, ndim: int) -> list[Tensor]:
    if ndim == 1:
        return [detail]
    if ndim == 2:  # its horizontal detail is high along the first axis
        return [detail.vertical, detail.horizontal, detail.diagonal]
    return [detail["".join(key)] for key in list(product("ad", repeat=3))[1:]]


def contestants(wavelet: str, ndim: int, levels: int, device: str) -> dict[str, Contestant]:
    """Return our transform first, then those that have as many axes."""
    found = {OURS: our_transform(wavelet, levels), "ptwt": ptwt_transform(wavelet, ndim, levels)}
    if wavelet == "haar":
        found[FUSED] = fused(found[OURS])
    if wavelet == "haar" and device == "cuda":
        found[PLAIN] = without_kernels(found[OURS])
    if ndim < 3:
        found["pytorch_wavelets"] = pytorch_wavelets_transform(wavelet, ndim, levels, device)
    return found


def largest_difference(
    contestant: Contestant, u: Tensor, ours: WaveletCoefficients
) -> float | None:
    """Return the largest difference of its coefficients from ours, None if it has others."""
    if contestant.as_ours is None:
        return None
    theirs = contestant.as_ours(contestant.forward(u))
    bands = [(found.approximation, *found.details) for found in (ours, theirs)]
    return max(float((a - b).abs().max()) for a, b in zip(*bands, strict=True))


def _copied_twice(u: Tensor) -> Tensor:
    return u.clone().clone()


@torch.no_grad()
def compare(
    wavelet: str, space: tuple[int, ...], levels: int, *, device: str, threads: int, repeats: int
) -> Iterator[dict[str, object]]:
    """Yield one record for each contestant."""
    torch.set_num_threads(threads)
    u = torch.randn(BATCH, CHANNELS, *space, device=device)
    found = contestants(wavelet, len(space), levels, device)
    ours = dwt(u, wavelet=wavelet, levels=levels)
    calls = {name: partial(contestant.round_trip, u) for name, contestant in found.items()}
    # a round trip moves the field twice
    calls["two copies"] = partial(_copied_twice, u)
    seconds = interleaved_seconds(calls, repeats=repeats, device=device)
    peaks = {name: peak_bytes(calls[name], device) for name in found}
    for name, contestant in found.items():
        yield {
            "wavelet": wavelet,
            "space": " x ".join(map(str, space)),
            "levels_count": levels,
            "threads_count": threads,
            "package": name,
            "median_seconds": statistics.median(seconds[name]),
            "least_seconds": min(seconds[name]),
            "time_over_ours_ratio": median_ratio(seconds[name], seconds[OURS]),
            "time_over_two_copies_ratio": median_ratio(seconds[name], seconds["two copies"]),
            "peak_bytes": peaks[name],
            "peak_over_ours_ratio": peaks[name] / peaks[OURS],
            "coefficients_difference_over_deviation_ratio": largest_difference(contestant, u, ours),
            "round_trip_error_over_deviation_ratio": float((calls[name]() - u).abs().max()),
        }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--quick", action="store_true", help="few sizes; nothing is saved")
    parser.add_argument("--repeats", type=int, default=21, help="samples for each number")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    torch.manual_seed(0)
    large, threads = (SPACES, [1, 2]) if chosen.device == "cpu" else (GPU_SPACES, [1])
    spaces = QUICK_SPACES if chosen.quick else large
    records = []
    cases = CASES if chosen.device == "cpu" else GPU_CASES
    for count, (wavelet, levels), space in product(threads, cases, spaces):
        for record in compare(
            wavelet, space, levels, device=chosen.device, threads=count, repeats=chosen.repeats
        ):
            print(*record.values(), sep="  ", flush=True)
            records.append(record)
    if not chosen.quick:
        settings = {
            "dtype": "float32",
            "batch_count": BATCH,
            "channels_count": CHANNELS,
            "samples_count": chosen.repeats,
        }
        print(
            write_results(
                "dwt", chosen.device, packages=PACKAGES, settings=settings, records=records
            )
        )


if __name__ == "__main__":
    main()
