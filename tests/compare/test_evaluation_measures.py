"""What ``wavelit evaluate`` measures: against independent formulas and The Well's own metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.compare.evaluation import summary
from wavelit_plugin.compare.evaluation.bands import Bands
from wavelit_plugin.compare.evaluation.predictors import Predictor
from wavelit_plugin.compare.evaluation.scores import Ruler, Scores, measure
from wavelit_plugin.compare.shells import Shells
from wavelit_plugin.errors import ShapeError

SIZES = ((17,), (16, 12), (16, 16), (8, 9, 10))
FIELDS = 2


def ruler(size: tuple[int, ...], steps: int) -> Ruler:
    return Ruler(
        bands=Bands(size, device="cpu"),
        shells=Shells(size, ("periodic",) * len(size), device="cpu"),
        deviation=torch.ones(1, FIELDS, *(1,) * len(size)),
        steps=steps,
    )


def halved(u: Tensor) -> Tensor:
    """Half the frame before, the constant added to it."""
    return u[:, FIELDS : 2 * FIELDS] / 2 + u[:, 2 * FIELDS :]


def vrmse64(answer: Tensor, truth: Tensor) -> Any:
    """The definition in numpy, for a frame (field, *space)."""
    a, b = (u.double().flatten(1).numpy() for u in (answer, truth))
    return np.sqrt(((a - b) ** 2).mean(1) / (b.var(1, ddof=1) + 1e-7))


def scores(**changes: Tensor) -> Scores:
    made: dict[str, Tensor] = {
        "one_step": torch.tensor([0.1, 0.3]),
        "rollout": torch.tensor([[0.2, 0.4]]).repeat(6, 1),
        "one_step_bands": torch.zeros(2, 3),
        "rollout_bands": torch.zeros(6, 2, 3),
        "spectrum": torch.zeros(3, 4),
    }
    return Scores(**(made | changes))


def test_errors_are_those_of_a_plain_loop(rng: torch.Generator) -> None:
    """Two frames of history, seven frames: five single steps, and four steps rolled out."""
    truth = torch.randn(7, FIELDS, 6, 5, generator=rng)
    constants = torch.randn(1, 6, 5, generator=rng)
    predictor = Predictor(name="halved", step=halved, frames=2)
    found, rolled = measure(predictor, truth, constants, ruler((6, 5), 4))
    single = [vrmse64(truth[t - 1] / 2 + constants, truth[t]) for t in range(2, 7)]
    assert_close(found.one_step.double().numpy(), np.mean(single, axis=0), rtol=1e-6, atol=0.0)
    state = truth[1]
    for step in range(4):
        state = state / 2 + constants
        assert_close(rolled[step], state)
        expected = vrmse64(state, truth[2 + step])
        assert_close(found.rollout[step].double().numpy(), expected, rtol=1e-6, atol=0.0)


def test_all_errors_of_the_truth_are_zero(rng: torch.Generator) -> None:
    """A trajectory that doubles, predicted exactly: also the bands and the error's spectrum."""
    start = torch.randn(1, FIELDS, 8, generator=rng)
    truth = torch.cat([start * 2.0**k for k in range(5)])
    predictor = Predictor(name="doubled", step=lambda u: 2 * u[:, :FIELDS], frames=1)
    found, _ = measure(predictor, truth, truth.new_zeros(1, 8), ruler((8,), 4))
    for part in (found.one_step, found.rollout, found.one_step_bands, found.rollout_bands):
        assert float(part.abs().max()) == 0.0
    assert_close(found.spectrum[0], found.spectrum[1])
    assert float(found.spectrum[2].max()) == 0.0


def test_a_model_of_other_fields_is_refused() -> None:
    predictor = Predictor(name="odd", step=lambda u: u[:, :1], frames=1)
    truth = torch.zeros(3, FIELDS, 8)
    with pytest.raises(ShapeError, match="returned 1 channels, no whole number of frames"):
        measure(predictor, truth, truth.new_zeros(0, 8), ruler((8,), 2))


def test_infinite_errors_are_kept_as_none_and_come_back_as_nan() -> None:
    kept = scores(one_step=torch.tensor([math.inf, 0.5])).as_plain()
    assert kept["one_step"] == [None, 0.5]
    assert Scores.from_plain(kept).one_step.isnan().tolist() == [True, False]


@pytest.mark.parametrize("size", SIZES)
def test_the_bands_hold_the_energy_of_the_field(
    size: tuple[int, ...], rng: torch.Generator
) -> None:
    u = torch.randn(2, FIELDS, *size, generator=rng)
    energy = Bands(size, device="cpu").energy(u)
    # Parseval's identity, to the rounding of float32
    assert_close(energy.sum(dim=2), u.square().flatten(2).mean(dim=2), rtol=1e-5, atol=0.0)


def test_a_wave_is_in_the_band_of_its_number() -> None:
    """On 64 points the edges are at 3.2 and 10.1 waves: 64 / 2 to the power of 1/3 and 2/3."""
    x = torch.arange(64) * 2 * math.pi / 64
    u = torch.stack([torch.cos(k * x) for k in (3, 4, 10, 11, 32)])[None]
    bands = Bands((64,), device="cpu").energy(u)[0].argmax(dim=1)
    assert bands.tolist() == [0, 1, 1, 2, 2]


def test_in_two_dimensions_the_last_band_ends_in_the_corner() -> None:
    """On 64x64 points the edges are at 3.56 and 12.70 waves: 64 / sqrt(2) to 1/3 and 2/3."""
    x = torch.arange(64) * 2 * math.pi / 64
    waves = ((3, 0), (4, 0), (11, 0), (8, 9), (9, 9), (32, 32))
    u = torch.stack([torch.cos(a * x[:, None] + b * x) for a, b in waves])[None]
    bands = Bands((64, 64), device="cpu").energy(u)[0].argmax(dim=1)
    assert bands.tolist() == [0, 1, 1, 1, 2, 2]


@pytest.mark.host
@pytest.mark.parametrize("size", SIZES)
def test_errors_are_those_of_the_well(size: tuple[int, ...], rng: torch.Generator) -> None:
    metrics = pytest.importorskip("the_well.benchmark.metrics")
    spectral = pytest.importorskip("the_well.benchmark.metrics.spectral")
    facts = type("Metadata", (), {"n_spatial_dims": len(size)})()
    answer, truth = torch.randn(2, 5, FIELDS, *size, generator=rng).unbind(0)
    predictor = Predictor(name="given", step=lambda _: answer[1:2], frames=1)
    found, _ = measure(predictor, truth[:2], truth.new_zeros(0, *size), ruler(size, 1))
    last = [u[1].movedim(0, -1) for u in (answer, truth)]
    assert_close(found.one_step, metrics.VRMSE.eval(*last, facts), rtol=1e-5, atol=0.0)
    theirs = spectral.binned_spectral_mse.eval(*(u[None] for u in last), facts)
    for band in range(3):
        expected = theirs[f"spectral_error_nmse_per_bin_{band}"][0]
        # sums of up to 720 squares in another order
        assert_close(found.one_step_bands[:, band], expected, rtol=1e-4, atol=0.0)


def test_windows_are_those_that_fit_and_the_whole() -> None:
    assert summary.windows_of(4) == ((1, 4),)
    assert summary.windows_of(5) == ((1, 5),)
    assert summary.windows_of(60) == ((1, 5), (6, 12), (13, 30), (21, 60), (1, 60))


def test_a_window_is_the_mean_of_its_steps_both_ends_included() -> None:
    steps = torch.arange(1.0, 7.0)[:, None].repeat(1, 2)
    table = summary.rows([{"model": scores(rollout=steps)}], ("a", "b"))
    assert summary.find(table, "model", "1:5").mean == 3.0
    assert summary.find(table, "model", "1:6", field="b").mean == 3.5


def test_mean_and_median_are_over_trajectories() -> None:
    found = [{"model": scores(one_step=torch.tensor([e, 3 * e]))} for e in (1.0, 2.0, 6.0)]
    table = summary.rows(found, ("a", "b"))
    row = summary.find(table, "model", "one-step")
    assert (row.mean, row.median, row.trajectories, row.diverged) == (6.0, 4.0, 3, 0)
    row = summary.find(table, "model", "one-step", field="b")
    assert (row.mean, row.median) == (9.0, 6.0)


def test_a_trajectory_that_diverged_spoils_the_mean_and_not_the_median() -> None:
    errors = [0.1, math.nan, 0.3]
    found = [{"model": scores(one_step=torch.tensor([e, e]))} for e in errors]
    row = summary.find(summary.rows(found, ("a", "b")), "model", "one-step")
    assert (row.mean, row.diverged) == (None, 1)
    assert row.median == pytest.approx(0.3)
    assert ",,0.3" in summary.csv_text([row])
