"""The variants of the ablation: each builds, and each predicts something else than the default."""

from pathlib import Path
from typing import cast

import pytest
import torch

from benchmarks.ablations import CRITERIA, Variant, read_plan
from wavelit_plugin.model import WaveLiT
from wavelit_plugin.plugins.manager import criteria
from wavelit_plugin.plugins.types import GridTask

PLAN = Path(__file__).parents[2] / "benchmarks" / "ablations.yaml"
VARIANTS = read_plan(PLAN)[1]
TASK = GridTask(
    in_channels=3,
    out_channels=2,
    size=(32, 32),
    boundary=("open", "open"),
    continues=True,
    fields=("a", "b"),
)


def built(variant: Variant) -> WaveLiT:
    torch.manual_seed(0)
    model = cast(WaveLiT, variant.build(TASK, None))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # what starts as zero would hide a difference
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    generator = torch.Generator().manual_seed(1)
    u = torch.randn(8, 3, 32, 32, generator=generator).cumsum(2)  # bands of different size
    model.fit_statistics([(u, u[:, :2] + 0.1 * torch.randn(8, 2, 32, 32, generator=generator))])
    return model.eval()


def test_the_first_variant_is_the_default() -> None:
    assert VARIANTS[0] == Variant(name="default")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_trains_otherwise_or_predicts_otherwise(variant: Variant) -> None:
    known = {record.name for record in criteria()} | set(CRITERIA) | {"mse"}
    assert variant.criterion in known
    if not variant.config or set(variant.config) == {"noise"}:  # noise acts in training alone
        return
    u = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    own, changed = built(VARIANTS[0])(u), built(variant)(u)
    assert not torch.allclose(changed, own, rtol=1e-3, atol=1e-4)


def test_one_scale_a_field_is_one_number_a_field() -> None:
    (variant,) = (v for v in VARIANTS if "band_scales" in v.config)
    scale = built(variant).normalizer.output_scale
    assert torch.equal(scale, scale[:, :1].expand_as(scale))
    assert float(built(VARIANTS[0]).normalizer.output_scale.std()) > 0
