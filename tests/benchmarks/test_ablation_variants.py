"""The variants of the ablation: the plain form is the model's own, and each change changes it."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from benchmarks.ablations import Variant, read_plan
from benchmarks.attention_forms import attention
from benchmarks.muon import Both, MuonOptimizer
from benchmarks.variants import (
    CHANGES,
    CRITERIA,
    Averaged,
    ByMuon,
    optimizer,
)
from wavelit_plugin.metrics import vrmse
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.plugins.manager import criteria
from wavelit_plugin.plugins.types import GridTask

PLAN = Path(__file__).parents[2] / "benchmarks" / "ablations.yaml"
TASK = GridTask(
    in_channels=3,
    out_channels=2,
    size=(16, 16),
    boundary=("open", "open"),
    continues=True,
    fields=("a", "b"),
)


def model(scales: int = 1) -> WaveLiT:
    torch.manual_seed(0)
    config = WaveLiTConfig(
        in_channels=3, out_channels=2, width=24, heads=2, depth=2, levels=2, scales=scales
    )
    made = WaveLiT(config)
    with torch.no_grad():  # what starts as zero would hide a difference
        for parameter in made.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(8, 3, 16, 16, generator=generator).cumsum(2)  # bands of different size
    made.fit_statistics([(u, u[:, :2] + 0.1)])
    return made.eval()


def test_the_written_out_attention_is_that_of_the_model() -> None:
    own, written = model(), model()
    attention()(written)
    u = torch.randn(2, 3, 16, 16)
    assert_close(written(u), own(u), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"field scales", "unshared", "bfloat16"}))
def test_every_change_changes_the_prediction(name: str) -> None:
    own, changed = model(), model()
    CHANGES[name](changed)
    u = torch.randn(2, 3, 16, 16)
    assert not torch.allclose(changed(u), own(u), rtol=1e-3, atol=1e-4)


def test_field_scales_are_one_number_a_field() -> None:
    changed = model()
    CHANGES["field scales"](changed)
    u = torch.randn(8, 3, 16, 16).cumsum(2)
    changed.fit_statistics([(u, u[:, :2] + 0.1 * torch.randn(8, 2, 16, 16))])
    scale = changed.normalizer.output_scale
    assert_close(scale, scale[:, :1].expand_as(scale))
    assert float(model().normalizer.input_scale.std()) > 0


def test_unshared_blocks_start_alike_and_learn_apart() -> None:
    own, changed = model(scales=2), model(scales=2)
    CHANGES["unshared"](changed)
    u = torch.randn(2, 3, 16, 16)
    assert_close(changed(u), own(u))
    shared = {id(parameter) for parameter in own.pyramid.parameters()}
    assert len({id(parameter) for parameter in changed.pyramid.parameters()}) > len(shared)


def test_averaged_weights_lie_between_the_steps() -> None:
    averaged = Averaged(model(), 0.5).train()
    own, mean = (next(m.parameters()) for m in (averaged.model, averaged.average.module))
    u = torch.randn(2, 3, 16, 16)
    averaged(u)
    before = own.detach().clone()
    with torch.no_grad():
        own.add_(1.0)
    averaged(u)
    assert_close(mean, before + 0.5)
    averaged.eval()
    shown = averaged(u)
    with torch.no_grad():
        own.add_(100.0)
    assert_close(averaged(u), shown)


def test_the_plan_can_be_built() -> None:
    problems, variants = read_plan(PLAN)
    assert {"waves", "flow", "elliptic"} == set(problems)
    assert variants[0] == Variant(name="default")
    assert len({variant.name for variant in variants}) == len(variants)
    built = [variant.build(TASK, None) for variant in variants]
    assert all(module.eval()(torch.randn(1, 3, 16, 16)).shape[1] == 2 for module in built)
    known = {*CRITERIA, *(record.name for record in criteria()), "mse"}
    assert {variant.criterion for variant in variants} <= known


def test_bfloat16_is_near_float32_and_not_it() -> None:
    own, half = model(), model()
    CHANGES["bfloat16"](half)
    u = torch.randn(2, 3, 16, 16)
    expected = own(u)
    assert half(u).dtype == torch.float32
    assert_close(half(u), expected, rtol=0.0, atol=0.02 * float(expected.detach().abs().max()))
    assert not torch.equal(half(u), expected)


def test_a_criterion_without_the_wavelet_term_is_the_relative_error() -> None:
    prediction, target = torch.randn(2, 3, 2, 8, 8).unbind(0)
    assert_close(
        CRITERIA["vrmse"](reduction="mean")(prediction, target), vrmse(prediction, target).mean()
    )


def test_muon_has_the_matrices_and_adamw_the_rest() -> None:
    wrapped = ByMuon(model().train())
    step = optimizer(wrapped, 1e-2)
    assert isinstance(step, MuonOptimizer)
    assert isinstance(step.optimizer, Both)
    muon, adamw = ([p for g in o.param_groups for p in g["params"]] for o in step.optimizer.parts)
    assert {p.ndim for p in muon} == {2}
    assert len(muon) + len(adamw) == len(list(wrapped.parameters()))
    before = [p.detach().clone() for p in wrapped.parameters()]
    u = torch.randn(2, 3, 16, 16)
    step(lambda: (wrapped(u) - u[:, :2]).square().mean(), 0.5)
    assert {group["lr"] for group in step.optimizer.param_groups} == {5e-3}
    moved = [not torch.equal(p, q) for p, q in zip(wrapped.parameters(), before, strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def test_other_variants_are_trained_as_every_operator_is() -> None:
    assert isinstance(optimizer(model().train(), 1e-2).optimizer, torch.optim.AdamW)
