"""What an operator costs: seconds, memory and operations, measured on the module itself."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from wavelit_plugin.compare.contestants import Loss
from wavelit_plugin.shapes import Field

_REPEATS, _LEAST_SECONDS = 3, 0.2


@torch.no_grad()
def inference_seconds(model: nn.Module, x: Field) -> float:
    """Return the seconds that one sample of a batch takes, the median of several calls."""
    model.eval()
    _seconds(model, x)  # warm caches, and let libraries choose their kernels
    samples: list[float] = []
    while len(samples) < _REPEATS or sum(samples) < _LEAST_SECONDS:
        samples.append(_seconds(model, x))
    return statistics.median(samples) / len(x)


def step_bytes(model: nn.Module, x: Field, y: Field, loss: Loss) -> int:
    """Return the most memory that forward and backward of a batch hold at a time.

    Gradients count; weights, optimizer and the batch itself do not.
    """
    model.train()

    def call() -> None:
        loss(model(x), y).backward()

    call()
    model.zero_grad(set_to_none=True)
    peak = peak_bytes(call, x.device)
    model.zero_grad(set_to_none=True)
    return peak


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """Return the most memory that a call holds at a time, what it keeps included.

    Call it once before: the first call of a module also allocates what stays.
    """
    return _peak_cuda(call) if device.type == "cuda" else _peak_cpu(call)


def forward_flops(model: nn.Module, x: Field) -> float | None:
    """Return the floating-point operations of one sample forward, as torch counts them.

    FFTs and element-wise operations are left out. None where torch cannot count, or counts none.
    """
    model.eval()
    try:
        # without gradients torch's counter trips over a module that is given a slice of a weight
        with torch.enable_grad(), FlopCounterMode(display=False) as counter:
            model(x[:1])
    except (RuntimeError, AssertionError):
        # torch's own counter trips over some operators; that this one works was seen in training
        return None
    return float(counter.get_total_flops()) or None


def _seconds(model: nn.Module, x: Field) -> float:
    _wait(x.device)
    start = time.perf_counter()
    model(x)
    _wait(x.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_cuda(call: Callable[[], object]) -> int:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _peak_cpu(call: Callable[[], object]) -> int:
    # the profiler hooks torch's CPU allocator, so every temporary inside an operator counts, to the
    # byte; what oneDNN takes for itself does not
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it announces every start and stop
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = [event for event in events if event.get("name") == "[memory]"]
    changes.sort(key=lambda event: event["ts"])
    return max(accumulate((event["args"]["Bytes"] for event in changes), initial=0))
