"""What every benchmark here shares: hardware, time, peak memory, and the file of results.

Keys of results that hold numbers end in their unit: ``seconds``, ``bytes``, ``count``, ``ratio``.
"""

import gc
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from wavelit_plugin.compare import cost

RESULTS = Path(__file__).parent / "results"
SAMPLE_SECONDS = 0.02  # a sample repeats short calls for as long as this


def hardware(device: str) -> dict[str, object]:
    """Return the name of the device under test and the sizes of the machine around it."""
    found: dict[str, object] = {
        "device": device,
        "name": torch.cuda.get_device_name() if device == "cuda" else processor_name(),
        "processor": processor_name(),
        "cores_count": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    }
    if device == "cuda":
        found["device_memory_bytes"] = torch.cuda.get_device_properties(0).total_memory
    return found


def processor_name() -> str:
    """Return the CPU's name as the kernel gives it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    names = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return " ".join(re.sub(r"\((R|TM|tm)\)|\bCPU\b|\bProcessor\b|@.*", "", name).split())


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def interleaved_seconds(
    calls: Mapping[str, Callable[[], object]], *, repeats: int, device: str
) -> dict[str, list[float]]:
    """Return ``repeats`` samples of the seconds that one call takes, for each name.

    The contestants take turns, so that what disturbs the machine disturbs all of them alike: ratios
    are to be taken sample by sample.
    """
    counts = {name: _calls_per_sample(call, device) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, call in calls.items():
                samples[name].append(_seconds(call, counts[name], device) / counts[name])
    finally:
        gc.enable()
    return samples


def median_ratio(samples: Sequence[float], reference: Sequence[float]) -> float:
    """Return the median over the turns of how many times longer than the reference it took."""
    return statistics.median(a / b for a, b in zip(samples, reference, strict=True))


def peak_bytes(call: Callable[[], object], device: str) -> int:
    """Return the most memory that a call holds at a time, its result included, its inputs not."""
    call()
    return cost.peak_bytes(call, torch.device(device))


class Dispatched(TorchDispatchMode):
    """Note the operations that torch dispatches inside of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[OpOverload] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note it, and do it."""
        self.seen.append(func)
        return func(*args, **(kwargs or {}))


def operations_count(call: Callable[[], object]) -> int:
    """Return how many operations a call dispatches: about the kernels that a GPU has to launch.

    Views and allocations are left out.
    """
    call()
    with Dispatched() as dispatched:
        call()
    return sum(not (func.is_view or "empty" in func.name()) for func in dispatched.seen)


def write_results(
    benchmark: str,
    device: str,
    *,
    packages: Iterable[str],
    settings: Mapping[str, object],
    records: Sequence[Mapping[str, object]],
    path: Path | None = None,
) -> Path:
    """Write ``results/<benchmark>-<hardware>.json`` or ``path`` in one step; return the path."""
    machine = hardware(device)
    content = {
        "benchmark": benchmark,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "hardware": machine,
        "versions": versions(packages),
        "settings": {**settings, "allocator": _allocator_settings()},
        "records": list(records),
    }
    slug = re.sub(r"[^a-z0-9]+", "-", f"{machine['name']} {machine['cores_count']} cores".lower())
    path = path or RESULTS / f"{benchmark}-{slug}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)
    return path


def _seconds(call: Callable[[], object], count: int, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(count):
        call()
    _wait(device)
    return time.perf_counter() - start


def _calls_per_sample(call: Callable[[], object], device: str) -> int:
    _seconds(call, 2, device)  # warm caches, and let libraries choose their kernels
    return max(1, round(SAMPLE_SECONDS / _seconds(call, 1, device)))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _allocator_settings() -> dict[str, str]:
    # large blocks that go back to the system after every call cost page faults at the next one
    return {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}
