"""A trained model elsewhere: torch.export, ONNX, TorchScript and int8 give its values.

In float32, as they are deployed; other libraries sum in another order.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim, export
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT

Build = Callable[..., WaveLiT]
pytestmark = pytest.mark.usefixtures("without_shape_check")

FLAT: dict[str, Any] = {
    "levels": 2,
    "pyramid_scales": 2,
    "conditions": 1,
    "boundary": ("periodic", "wall"),
}
DEEP: dict[str, Any] = {"ndim": 3, "wavelet": "db2", "boundary": "periodic"}
every = pytest.mark.parametrize("knobs", [FLAT, DEEP], ids=["2-D", "3-D"])
BATCHES = (1, 2, 5)


@pytest.fixture
def trained(build: Build) -> Build:
    def trained(**knobs: Any) -> WaveLiT:
        return build(residual="off", **knobs).float()

    return trained


def inputs(model: WaveLiT, batch: int, rng: torch.Generator, space: tuple[int, ...] = ()) -> Any:
    """Input, and condition if there is one; by default on an odd grid."""
    config = model.config
    u = torch.randn(batch, config.in_channels, *(space or (9, 8, 6)[: config.ndim]), generator=rng)
    condition = torch.randn(batch, config.conditions, generator=rng)
    return (u, condition) if config.conditions else (u,)


def assert_same(program: Callable[..., Tensor], model: WaveLiT, given: Any) -> None:
    """Up to rounding of sums in another order, beside the largest value."""
    expected = model(*given).detach()
    bound = 1e-5 * float(expected.abs().max())
    assert_close(program(*given).detach(), expected, rtol=0.0, atol=bound)


def any_batch(model: WaveLiT, *sizes: Any) -> tuple[dict[int, Any], ...]:
    batch = Dim("batch", min=1)
    field = {0: batch, **dict(enumerate(sizes, start=2))}
    return (field, {0: batch}) if model.config.conditions else (field,)


# one strict case: by Dynamo, which test_model_compile has more of
@pytest.mark.parametrize(
    ("knobs", "strict"),
    [(FLAT, True), (FLAT, False), (DEEP, False)],
    ids=["2-D-strict", "2-D", "3-D"],
)
@pytest.mark.slow
def test_an_exported_program_takes_any_batch(
    knobs: dict[str, Any], strict: bool, trained: Build, rng: torch.Generator
) -> None:
    model = trained(**knobs)
    given = inputs(model, 3, rng)
    program = export(model, given, dynamic_shapes=any_batch(model), strict=strict)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    for batch in BATCHES:
        assert_same(loaded, model, inputs(model, batch, rng))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.slow
def test_an_exported_program_takes_any_grid_of_whole_tokens_at_every_scale(
    strict: bool, trained: Build, rng: torch.Generator
) -> None:
    knobs: dict[str, Any] = {"levels": 1, "pyramid_scales": 2, "boundary": ("periodic", "wall")}
    model = trained(**knobs, resolution="native")
    points = 2 ** (max(knobs["levels"], knobs["pyramid_scales"]))
    # four tokens an axis or more: of fewer, none or one is away from both ends
    rows, columns = (Dim(name, min=4, max=64) * points for name in ("rows", "columns"))
    given = inputs(model, 3, rng, (20, 24))
    shapes = any_batch(model, rows, columns)
    program = export(model, given, dynamic_shapes=shapes, strict=strict).module()
    for space in ((16, 24), (20, 16), (40, 28)):
        assert_same(program, model, inputs(model, 2, rng, space))


@every
@pytest.mark.slow
# torch's own: it uses a name of its pytrees that it deprecates, and says that two axes are one
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*The axis name. batch will not be used:UserWarning")
def test_onnx_takes_any_batch(
    knobs: dict[str, Any], trained: Build, rng: torch.Generator, tmp_path: Path
) -> None:
    import onnxruntime

    model = trained(**knobs)
    shapes = any_batch(model)
    program = torch.onnx.export(
        model, inputs(model, 3, rng), dynamo=True, dynamic_shapes=shapes, verbose=False
    )
    assert program is not None
    file = tmp_path / "model.onnx"
    program.save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [wanted.name for wanted in session.get_inputs()]

    def run(*given: Tensor) -> Tensor:
        arrays = (value.numpy() for value in given)
        return torch.from_numpy(session.run(None, dict(zip(names, arrays, strict=True)))[0])

    for batch in BATCHES:
        assert_same(run, model, inputs(model, batch, rng))


@every
# that the trace holds for such grids only is meant
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_torchscript_trace_is_saved_and_takes_any_batch(
    knobs: dict[str, Any], trained: Build, rng: torch.Generator, tmp_path: Path
) -> None:
    model = trained(**knobs)
    with torch.no_grad():
        traced = torch.jit.trace(model, inputs(model, 3, rng))
    traced.save(tmp_path / "model.pt")
    loaded = torch.jit.load(tmp_path / "model.pt")
    for batch in BATCHES:
        assert_same(loaded, model, inputs(model, batch, rng))


@pytest.mark.skipif(
    torch.backends.quantized.engine == "none", reason="this PyTorch multiplies no int8"
)
@pytest.mark.filterwarnings("ignore:.*torch.ao.quantization:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor:UserWarning")
@torch.no_grad()
@every
def test_linear_maps_may_be_int8(
    knobs: dict[str, Any], trained: Build, rng: torch.Generator
) -> None:
    model = trained(**knobs)
    small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear})
    left = [name for name, part in small.named_modules() if type(part) is torch.nn.Linear]
    assert left == []
    given = inputs(model, 3, rng)
    expected = model(*given)
    mean = model.normalizer.output_mean.view(1, -1, *(1,) * model.config.ndim)
    # weights and features are rounded to a 255th of their range, in a dozen products in succession
    error = (small(*given) - expected).norm() / (expected - mean).norm()
    assert 0.0 < float(error) < 0.1
