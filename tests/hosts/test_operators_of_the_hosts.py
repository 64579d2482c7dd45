"""Operators of neuraloperator, PDEArena and The Well, each built where its package is at hand."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from wavelit_plugin.hosts.neuraloperator import operators as neuraloperator
from wavelit_plugin.hosts.pdearena import operators as pdearena
from wavelit_plugin.hosts.the_well import operators as the_well
from wavelit_plugin.plugins.types import GridTask, OperatorRecord

# what the hosts themselves warn of is theirs
pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore")]

RECORDS = [*neuraloperator.OPERATORS, *pdearena.OPERATORS, *the_well.OPERATORS]

# weights that their own code leaves unused
UNUSED = (
    "core.middle.attn.norm.",  # PDEArena's attention applies no norm
    ".resample.block.0.bias",  # The Well's norm before a change of resolution has no shift
    "decoder.0.resample.block.0.bias",
)
# the threshold of its filter leaves nothing of small weights, so the first gradients are zero
SPARSE = {"the_well/AFNO"}


def task(size: tuple[int, ...], *, inputs: int, outputs: int, boundary: str = "open") -> GridTask:
    return GridTask(
        in_channels=inputs,
        out_channels=outputs,
        size=size,
        boundary=(boundary,) * len(size),
        continues=True,
        fields=("u", "v", "p")[:outputs],
    )


# axes of different size; patches of The Well's models need more points, CODANO more time a point
SIZES = {
    neuraloperator.ECOSYSTEM: ((30, 42), (64,), (8, 8, 12)),
    pdearena.ECOSYSTEM: ((64, 80),),
    the_well.ECOSYSTEM: ((32, 48), (64,), (16, 16, 32)),
}

# more inputs than outputs, as many, and one
CASES = [
    (record, known)
    for record in RECORDS
    for size in SIZES[record.ecosystem]
    for inputs, outputs in ((4, 3), (3, 3), (1, 1))
    if record.takes(known := task(size, inputs=inputs, outputs=outputs)) is None
]


def smallest(record: OperatorRecord, known: GridTask) -> nn.Module:
    """Build at about the smallest width, or skip."""
    reason = record.missing() or record.takes(known)
    if reason:
        pytest.skip(reason)
    torch.manual_seed(0)
    return record.build(known, next(width for width in record.widths(known) if width >= 6))


def unused(record: OperatorRecord, name: str) -> bool:
    return record.name in SPARSE or any(part in name for part in UNUSED)


@pytest.mark.parametrize(
    ("record", "known"),
    CASES,
    ids=[f"{record.name}-{known.size}-{known.in_channels}" for record, known in CASES],
)
def test_it_maps_its_task_and_learns_everywhere(record: OperatorRecord, known: GridTask) -> None:
    model = smallest(record, known)
    u = torch.randn(2, known.in_channels, *known.size)
    prediction = model(u)
    assert prediction.shape == (2, known.out_channels, *known.size)
    assert prediction.isfinite().all()
    prediction.square().mean().backward()
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    still = {name for name, gradient in trained.items() if gradient is None or not gradient.any()}
    assert {name for name in still if not unused(record, name)} == set()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_the_smallest_grid_that_it_says_it_takes_works(record: OperatorRecord) -> None:
    fields = 3
    known = (task((size, size), inputs=fields, outputs=fields) for size in range(8, 73))
    first = next(square for square in known if record.takes(square) is None)
    u = torch.randn(2, fields, *first.size)
    assert smallest(record, first)(u).shape == u.shape


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_samples_do_not_mix_when_it_predicts(record: OperatorRecord) -> None:
    size = (32, 32) if record.ecosystem == neuraloperator.ECOSYSTEM else (64, 64)
    known = task(size, inputs=3, outputs=3)
    model = smallest(record, known).eval()
    u = torch.randn(2, 3, *size)
    with torch.no_grad():
        both, alone = model(u), model(u[:1])
    # other sums of a batch, in float32
    assert_close(both[:1], alone, rtol=1e-4, atol=1e-4)


def test_every_two_dimensional_model_of_pdearena_is_there() -> None:
    reason = pdearena.OPERATORS[0].missing()
    if reason:
        pytest.skip(reason)
    from pdearena.models.registry import MODEL_REGISTRY

    theirs = {name for name in MODEL_REGISTRY if "Maxwell" not in name and "waveliT" not in name}
    assert set(pdearena.FAMILIES) == theirs


def test_a_model_without_a_width_has_that_of_its_name_in_pdearena() -> None:
    record = next(r for r in pdearena.OPERATORS if r.name == "pdearena/ResNet-128")
    if reason := record.missing():
        pytest.skip(reason)
    model = record.build(task((8, 8), inputs=3, outputs=3), None)
    assert isinstance(model, pdearena.OneFrame)
    assert vars(model.core)["in_planes"] == 128


def test_every_model_of_the_well_is_there() -> None:
    reason = the_well.OPERATORS[-1].missing()
    if reason:
        pytest.skip(reason)
    models = import_module("the_well.benchmark.models")
    assert set(the_well.MODELS) == set(models.__all__)


@pytest.mark.parametrize(
    ("name", "known", "reason"),
    [
        ("UNO", task((15, 16), inputs=1, outputs=1), "even"),
        ("LocalNO", task((16,), inputs=1, outputs=1), "2-D"),
        ("CODANO", task((16, 16), inputs=3, outputs=1), "2 outputs"),
        ("pdearena/ResNet-128", task((16,), inputs=1, outputs=1), "2-D only"),
        ("pdearena/Unetmod-64", task((60, 64), inputs=1, outputs=1), "multiples of 8"),
        ("pdearena/FNO-128-16m", task((16, 64), inputs=1, outputs=1), "sizes from 23"),
        ("pdearena/U-FNet2-16mc", task((32, 64), inputs=1, outputs=1), "sizes from 64"),
        ("pdearena/Unet2015-64", task((64, 64), inputs=2, outputs=1), "as many outputs"),
        ("pdearena/GCAFluidNet2d-32", task((64, 64), inputs=2, outputs=2), "3 inputs"),
        ("the_well/FNO", task((64,), inputs=1, outputs=1), "2-D and 3-D only"),
        ("the_well/AViT", task((40, 48), inputs=1, outputs=1), "multiples of 16"),
    ],
)
def test_what_it_does_not_take_has_a_reason(name: str, known: GridTask, reason: str) -> None:
    record = next(record for record in RECORDS if record.name == name)
    assert reason in str(record.takes(known))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_what_is_missing_is_said_without_importing(
    record: OperatorRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(name: str, *_rest: object) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("wavelit_plugin.hosts.availability.find_spec", nowhere)
    said = str(record.missing())
    assert said.startswith("no ")
    assert "; " in said


def test_another_version_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavelit_plugin.hosts.availability.find_spec", lambda _name: object())
    monkeypatch.setattr("wavelit_plugin.autoload.versions._distribution_version", lambda _n: "9.9")
    monkeypatch.setattr("wavelit_plugin.autoload.versions._version_module", lambda _n: None)
    for record in RECORDS:
        assert "9.9 is here" in str(record.missing())


@pytest.mark.parametrize(
    ("size", "modes"), [((256,), [32]), ((64, 24), [16, 12]), ((64, 64, 8), [8, 8, 4])]
)
def test_modes_are_at_most_half_the_grid(size: tuple[int, ...], modes: list[int]) -> None:
    assert neuraloperator.modes_of(task(size, inputs=1, outputs=1)) == modes


def test_codano_is_told_which_field_is_which() -> None:
    record = next(record for record in RECORDS if record.name == "CODANO")
    model = smallest(record, task((16, 16), inputs=2, outputs=2)).eval()
    u = torch.randn(1, 2, 16, 16)
    with torch.no_grad():
        # of fields that it cannot tell apart, swapped ones would give swapped predictions
        assert (model(u.flip(1)).flip(1) - model(u)).abs().max() > 1e-3
