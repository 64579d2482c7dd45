"""Persistence and the linear stencil: what they predict, and that the fit finds what is linear."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.plugins import baselines, operators
from wavelit_plugin.plugins.baselines import LinearStencil, Persistence
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

SIZES = {1: (24,), 2: (12, 10), 3: (8, 6, 5)}


def task(ndim: int, *, inputs: int = 2, outputs: int = 2, **more: object) -> GridTask:
    known = {"boundary": ("periodic",) * ndim, "continues": True, **more}
    return GridTask(
        in_channels=inputs,
        out_channels=outputs,
        size=SIZES[ndim],
        fields=("u", "v", "w")[:outputs],
        **known,  # type: ignore[arg-type]
    )


def record_of(name: str) -> OperatorRecord:
    (record,) = [record for record in operators() if record.name == name]
    return record


def data(which: GridTask, samples: int, rng: torch.Generator) -> Tensor:
    return torch.randn(samples, which.in_channels, *which.size, generator=rng)


def shifted(u: Tensor, steps: tuple[int, ...]) -> Tensor:
    return torch.roll(u, steps, dims=tuple(range(2, u.ndim)))


def test_persistence_repeats_the_state(rng: torch.Generator) -> None:
    known = task(2, inputs=3)
    record = record_of("persistence")
    u = data(known, 2, rng)
    assert_close(record.build(known, None)(u), u[:, :2], rtol=0.0, atol=0.0)
    assert record.takes(known) is None
    assert not record.trains


def test_persistence_needs_a_state() -> None:
    assert record_of("persistence").takes(task(2, continues=False)) is not None
    assert record_of("linear").takes(task(2, continues=False)) is None


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_linear_law_is_found(ndim: int, rng: torch.Generator, *, continues: bool) -> None:
    known = task(ndim, inputs=3, continues=continues)
    steps = list(itertools.product((-1, 0, 1), repeat=ndim))
    mixing = torch.randn(len(steps), 2, 3, generator=rng)

    def law(u: Tensor) -> Tensor:
        terms = [
            torch.einsum("oi,bi...->bo...", m, shifted(u, s))
            for m, s in zip(mixing, steps, strict=True)
        ]
        return torch.stack(terms).sum(dim=0) + 0.7

    model = LinearStencil(known)
    x, unseen = data(known, 12, rng), data(known, 2, rng)
    model.fit(x, law(x))
    # the ridge takes a millionth of the weights, rounding to float32 less
    assert_close(model(unseen), law(unseen), rtol=1e-4, atol=1e-4)


def test_a_wave_that_travels_some_points_is_followed(rng: torch.Generator) -> None:
    known = task(2, inputs=1, outputs=1)
    model, x = LinearStencil(known), data(known, 12, rng)
    model.fit(x, shifted(x, (3, -2)))
    assert_close(model(x), shifted(x, (3, -2)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("boundary", ["open", "wall"])
def test_axes_that_do_not_wrap_repeat_their_last_point(boundary: str, rng: torch.Generator) -> None:
    known = task(1, inputs=1, outputs=1, boundary=(boundary,), continues=False)
    model, x = LinearStencil(known), data(known, 40, rng)
    after = torch.cat([x[..., 1:], x[..., -1:]], dim=-1)
    model.fit(x, after)
    assert_close(model(x), after, rtol=1e-4, atol=1e-4)


def test_before_the_fit_it_is_persistence(rng: torch.Generator) -> None:
    known = task(2, inputs=3)
    u = data(known, 1, rng)
    assert_close(LinearStencil(known)(u), Persistence(known)(u), rtol=0.0, atol=0.0)
    assert LinearStencil(task(2, inputs=3, continues=False))(u).abs().max() == 0


def test_the_fit_is_ridge_regression(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    # against the rows written out: points by stencil, in the order of the weights
    monkeypatch.setattr(baselines, "_RIDGE", 0.3)
    known = task(1, inputs=2, outputs=1, continues=False)
    x, y = data(known, 3, rng), torch.randn(3, 1, 24, generator=rng)
    model = LinearStencil(known)
    model.fit(x, y)
    shifts = [x.roll(-step, dims=2) for step in range(-8, 9)]
    rows = torch.stack(shifts, dim=2).flatten(1, 2).movedim(1, 2).reshape(72, 34).double()
    rows = torch.cat([rows, torch.ones(72, 1)], dim=1)
    gram = rows.T @ rows
    penalty = torch.eye(35, dtype=torch.float64) * 0.3 * gram.diagonal()[:-1].mean()
    penalty[-1, -1] = 0.0
    expected = torch.linalg.solve(gram + penalty, rows.T @ y.double().reshape(72, 1)).float()
    assert_close(model.weight.flatten(), expected[:-1, 0], rtol=1e-5, atol=1e-6)
    assert_close(model.bias, expected[-1], rtol=1e-5, atol=1e-6)


def test_slabs_do_not_change_the_fit(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    known = task(3, inputs=1, outputs=1)
    x = data(known, 4, rng)
    y = shifted(x, (1, 0, -1))
    whole, parts = LinearStencil(known), LinearStencil(known)
    whole.fit(x, y)
    monkeypatch.setattr(baselines, "_BLOCK", 1)
    parts.fit(x, y)
    # sums in another order, in float64
    assert_close(parts.weight, whole.weight, rtol=1e-6, atol=1e-7)


def test_of_many_samples_some_are_taken_evenly(
    rng: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "_POINTS", 24 * 3)
    known = task(1)
    x, y = data(known, 9, rng), data(known, 9, rng)
    some, these = LinearStencil(known), LinearStencil(known)
    some.fit(x, y)
    these.fit(x[::3], y[::3])
    assert_close(some.weight, these.weight, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_channel_that_never_changes_does_no_harm(value: float, rng: torch.Generator) -> None:
    known = task(1)
    x = data(known, 30, rng)
    x[:, 1] = value
    model = LinearStencil(known)
    model.fit(x, x + 1)
    assert_close(model(x), x + 1, rtol=1e-4, atol=1e-4)


def test_a_grid_smaller_than_the_stencil_works() -> None:
    known = GridTask(
        in_channels=1,
        out_channels=1,
        size=(5,),
        boundary=("periodic",),
        continues=True,
        fields=("u",),
    )
    x = torch.randn(64, 1, 5)
    model = LinearStencil(known)
    model.fit(x, x.roll(1, dims=2))
    assert_close(model(x), x.roll(1, dims=2), rtol=1e-3, atol=1e-3)


def test_the_record_fits_what_it_builds(rng: torch.Generator) -> None:
    known, record = task(2), record_of("linear")
    model, x = record.build(known, None), data(known, 8, rng)
    assert record.fit is not None
    record.fit(model, x, 2 * x)
    assert_close(model(x), 2 * x, rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(TypeError, match="linear stencil"):
        record.fit(torch.nn.Identity(), x, x)
