"""A folder as ``wavelit compare`` leaves it, with numbers that are made up but plausible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelit_plugin.compare.runs import samples_path
from wavelit_plugin.compare.store import RunRecord, RunSpec, RunStore

RATES = (5e-4, 2e-3, 8e-3)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one operator is like.

    Attributes:
        error: one-step VRMSE at its best rate.
        best: index of its best rate.
        growth: of the error, a roll-out step.
        noise: relative spread over the seeds.
    """

    label: str
    error: float
    best: int = 1
    growth: float = 1.25
    noise: float = 0.03
    parameters: int = 1_000_000
    step_seconds: float = 0.1
    peak_bytes: int | None = 200_000_000
    flops: float | None = 1.2e9
    rates: tuple[float, ...] = RATES


WAVELIT = Made(label="waveliT", error=0.031, growth=1.16, parameters=1_047_232)
FNO = Made(label="FNO", error=0.068, best=2, step_seconds=0.064, parameters=1_193_187, flops=4e8)
UNO = Made(
    label="UNO", error=0.072, noise=0.08, growth=1.27, parameters=934_101, step_seconds=0.18,
    peak_bytes=310_000_000,
)  # fmt: skip
UNET = Made(
    label="pdearena/Unetmod-64", error=0.044, growth=1.22, step_seconds=0.27, flops=5.6e9,
    parameters=1_104_032, peak_bytes=420_000_000,
)  # fmt: skip
PERSISTENCE = Made(label="persistence", error=0.41, growth=1.1, parameters=0, rates=())
FIVE = (WAVELIT, FNO, UNO, UNET, PERSISTENCE)


def runs_of(made: Made, *, seeds: int, steps: int | None) -> list[RunRecord]:
    """Every rate with seed 0, then the other seeds at the best rate; the last rate costs more."""
    if not made.rates:
        return [_untrained(run_of(made, rate=None, seed=0, steps=steps))]
    tried = [run_of(made, rate=rate, seed=0, steps=steps) for rate in made.rates]
    best = made.rates[made.best]
    return tried + [run_of(made, rate=best, seed=s, steps=steps) for s in range(1, seeds)]


def run_of(made: Made, *, rate: float | None, seed: int, steps: int | None) -> RunRecord:
    """One run; ``steps`` of its roll-out, None for static data."""
    away = 0 if rate is None else abs(made.rates.index(rate) - made.best)
    error = made.error * (1 + made.noise * math.sin(7.0 * seed + len(made.label))) * 1.5**away
    rolled = None if steps is None else tuple(error * made.growth**i for i in range(steps))
    return RunRecord(
        spec=RunSpec(label=made.label, learning_rate=rate, seed=seed),
        metrics={
            "validation": 0.97 * error,
            "one_step": error,
            "relative_l2": 0.8 * error,
            "fields": {"pressure": 0.9 * error, "velocity <x>": 1.1 * error},
            "rollout": rolled,
            "spectrum": _spectrum(error),
            "diverged": False,
        },
        costs={
            "parameters": made.parameters,
            "steps": 400,
            "training_seconds": 400 * made.step_seconds,
            "step_seconds": made.step_seconds,
            "inference_seconds": 0.3 * made.step_seconds / 8,
            "peak_bytes": made.peak_bytes,
            "flops": made.flops,
            "run_seconds": 500 * made.step_seconds,
        },
        curve=_curve(error, made.step_seconds),
    )


def diverged(run: RunRecord) -> RunRecord:
    """The same run, had its loss become infinite."""
    rolled = run.metrics["rollout"]
    nothing = {
        **dict.fromkeys(("one_step", "relative_l2", "validation", "spectrum")),
        "fields": dict.fromkeys(run.metrics["fields"]),
        "rollout": None if rolled is None else (0.5, *[None] * (len(rolled) - 1)),
        "diverged": True,
    }
    return replace(run, metrics={**run.metrics, **nothing})


def write_comparison(
    folder: Path, runs: Sequence[RunRecord], *, seeds: int = 3, **changes: Any
) -> Path:
    """Write plan and runs; ``changes`` go into the plan."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = list(dict.fromkeys(run.spec.label for run in runs))
    rates = {
        label: [
            run.spec.learning_rate for run in runs if run.spec.label == label and run.spec.seed == 0
        ]
        for label in labels
    }
    rates = {label: [rate for rate in tried if rate] for label, tried in rates.items()}
    plan: dict[str, Any] = {
        "command": ["wavelit", "compare", "--data", "acoustics", "--out", "a folder"],
        "data": {
            "name": "acoustics", "fields": ["pressure", "velocity <x>"], "constants": ["speed"],
            "ndim": 2, "size": [64, 64], "boundary": ["periodic", "periodic"], "frames": 21,
            "train_samples": 960, "source": "data",
        },
        "budget": {"steps": 400},
        "batch_size": 8,
        "seeds": seeds,
        "match": "parameters",
        "predict": "change",
        "versions": {"python": "3.11.9", "torch": "2.13.0", "neuraloperator": "2.0.0"},
        "hardware": {"device": "cpu", "cpu": "A processor", "threads": 2, "gpu": None},
        "operators": labels,
        "rates": rates,
        "widths": {label: 48 if tried else None for label, tried in rates.items()},
        **changes,
    }  # fmt: skip
    store = RunStore(folder, {}, what="a comparison")
    store.write_plan(plan)
    for run in runs:
        store.keep(run)
    return folder


def write_samples(
    folder: Path, made: Sequence[Made], sizes: tuple[int, ...] = (64, 64), *, frames: int = 11
) -> None:
    """Write a wave as the truth and, as predictions, the same with blurs of its own."""
    (folder / "samples").mkdir(exist_ok=True)
    truth = _waves(sizes, frames)
    for one in made:
        rate = one.rates[one.best] if one.rates else None
        lag = truth.roll(1, dims=-1) - truth
        growth = torch.tensor([one.growth**i for i in range(frames)])
        growth = growth.view(1, -1, 1, *[1] * len(sizes))
        held = {
            "fields": ["pressure", "velocity <x>"],
            "truth": truth,
            "prediction": truth + 3 * one.error * growth * lag,
        }
        torch.save(held, samples_path(folder, one.label, rate))


def write_static_samples(folder: Path, made: Sequence[Made], size: int = 32) -> None:
    """Write samples of static data: a medium, and the pressure in it."""
    (folder / "samples").mkdir(exist_ok=True)
    waves = _waves((size, size), 4)[0]
    for one in made:
        held = {
            "fields": ["pressure"], "inputs": ["permeability"], "input": waves[:, :1].sign() + 2,
            "truth": waves[:, 1:] + 2, "prediction": waves[:, 1:] * (1 + one.error) + 2,
        }  # fmt: skip
        rate = one.rates[one.best] if one.rates else None
        torch.save(held, samples_path(folder, one.label, rate))


def five_operators(folder: Path) -> Path:
    """Five operators, three seeds, three rates; one rate of UNO diverged."""
    runs = [run for made in FIVE for run in runs_of(made, seeds=3, steps=20)]
    runs = [
        diverged(r) if (r.spec.label, r.spec.learning_rate) == ("UNO", 8e-3) else r for r in runs
    ]
    write_comparison(folder, runs)
    write_samples(folder, FIVE)
    return folder


def _untrained(run: RunRecord) -> RunRecord:
    nothing = {"steps": 0, "training_seconds": 0.0}
    unknown = dict.fromkeys(("step_seconds", "peak_bytes", "flops"))
    return replace(run, costs={**run.costs, **nothing, **unknown}, curve=())


def _curve(error: float, step_seconds: float) -> tuple[tuple[int, float, float], ...]:
    noise = torch.rand(100, generator=torch.Generator().manual_seed(int(1e6 * error))).tolist()
    steps = range(4, 401, 4)
    return tuple(
        (step, step * step_seconds, (0.8 + 0.4 * noise[i]) * (error**2 + math.exp(-step / 60)))
        for i, step in enumerate(steps)
    )


def _spectrum(error: float) -> dict[str, tuple[float, ...]]:
    shells = range(33)
    truth = tuple(math.exp(-k / 5) for k in shells)
    wrong = tuple(
        min(error**2 * (1 + k / 4) ** 2, 1.2) * e for k, e in zip(shells, truth, strict=True)
    )
    kept = tuple(e * math.exp(-error * k / 3) for k, e in zip(shells, truth, strict=True))
    wavenumber = tuple(map(float, shells))
    return {"wavenumber": wavenumber, "truth": truth, "prediction": kept, "error": wrong}


def _waves(sizes: tuple[int, ...], frames: int) -> Tensor:
    """(2 trajectories, frame, 2 fields, *space): a few plane waves that travel."""
    axes = torch.meshgrid(*[torch.arange(n) / n for n in sizes], indexing="ij")
    generator = torch.Generator().manual_seed(3)
    time = (torch.arange(frames) / frames).view(-1, *[1] * len(sizes))
    found = torch.zeros(2, frames, 2, *sizes)
    for trajectory in range(2):
        for _ in range(8):
            waves = torch.randint(-4, 5, (len(sizes),), generator=generator).tolist()
            phase, pace = torch.rand(2, generator=generator).tolist()
            place = sum(k * x for k, x in zip(waves, axes, strict=True))
            angle = 2 * torch.pi * (place + phase + pace * time)
            found[trajectory, :, 0] += angle.sin()
            found[trajectory, :, 1] += angle.cos()
    return found
