"""A GPU gives what the CPU gives: values, gradients, statistics, files, half precision."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.model.monitor import SAMPLES

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
HALF = 0.02  # design bound of half precision, relative in the 2-norm
SINGLE = 3e-3  # cuDNN multiplies convolutions in TF32 by default: 2**-11 a product

KNOBS: list[dict[str, Any]] = [
    {"ndim": 1, "levels": 2},
    {"ndim": 1, "wavelet": "db4", "boundary": "periodic"},
    {"ndim": 2, "pyramid_scales": 2, "boundary": ("periodic", "wall"), "conditions": 2},
    {"ndim": 2, "levels": 2, "layout": ChannelLayout(frames=2, fields=1)},
    {"ndim": 3, "boundary": "periodic"},
    {"ndim": 3, "pyramid_scales": 2, "activation_checkpointing": True},
]


@pytest.fixture
def build(rng: torch.Generator) -> Callable[..., WaveLiT]:
    """Build a float64 model, every parameter off its starting value, statistics frozen."""

    def build(**knobs: Any) -> WaveLiT:
        small = {"in_channels": 2, "out_channels": 1, "width": 32, "heads": 2, "depth": 2}
        model = WaveLiT(WaveLiTConfig(**{**small, **knobs})).double()
        with torch.no_grad():
            for parameter in model.parameters():
                drawn = torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
                parameter.add_(0.1 * drawn)
        model.fit_statistics([inputs(model, rng)])
        return model

    return build


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def inputs(model: WaveLiT, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    config, space = model.config, (18, 16, 9)[: model.config.ndim]
    shapes = ((3, channels, *space) for channels in (config.in_channels, config.out_channels))
    u, y = (torch.randn(shape, dtype=torch.float64, generator=rng) for shape in shapes)
    return 1.0 + 3.0 * u, 2.0 * y - 1.0


def conditions(model: WaveLiT, like: Tensor) -> Tensor | None:
    count = model.config.conditions
    return like.new_ones(len(like), count) if count else None


def step(model: WaveLiT, u: Tensor, y: Tensor) -> list[Tensor]:
    """Return the prediction, the loss and all gradients of one training step."""
    answer = model(u, conditions(model, u))
    loss = WaveletLoss()(answer, y)
    return [answer, loss, *torch.autograd.grad(loss, list(model.parameters()))]


def relative(actual: Tensor, expected: Tensor) -> float:
    expected = expected.detach().double().cpu()
    return float((actual.detach().double().cpu() - expected).norm() / expected.norm())


@pytest.mark.parametrize("knobs", KNOBS)
def test_a_training_step_in_float64_is_that_of_the_cpu(
    knobs: dict[str, Any], build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(**knobs).train()
    u, y = inputs(model, rng)
    expected = step(model, u, y)
    actual = step(model.to(DEVICE), u.to(DEVICE), y.to(DEVICE))
    assert {t.device.type for t in actual} == {DEVICE}
    # sums over a few thousand values in another order
    for got, want in zip(actual, expected, strict=True):
        assert_close(got.cpu(), want, rtol=1e-8, atol=1e-10)


# torch says of the mode that it does not see every wait
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("knobs", KNOBS)
def test_the_card_never_waits_for_the_host_in_a_step(
    knobs: dict[str, Any], build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(**knobs).to(DEVICE).train()
    u, y = (t.to(DEVICE) for t in inputs(model, rng))
    step(model, u, y)  # the kernels of the wavelet transform are tried once
    model.normalizer._monitor.looked = 3 * SAMPLES  # a time between two looks at the data
    torch.cuda.set_sync_debug_mode("error")
    try:
        answer = step(model, u, y)[0]
        with pytest.raises(RuntimeError, match="synchronizing"):  # which a wait would have raised
            float(answer.sum())
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("knobs", KNOBS)
def test_single_precision_errs_by_its_rounding(
    knobs: dict[str, Any], build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(**knobs).eval()
    u, _ = inputs(model, rng)
    expected = model(u, conditions(model, u))
    single = u.to(DEVICE, torch.float32)
    assert relative(model.to(DEVICE).float()(single, conditions(model, single)), expected) < SINGLE


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_the_prediction_by_little(
    knobs: dict[str, Any], dtype: torch.dtype, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    model = build(residual="off", **knobs).float().to(DEVICE).eval()
    u = inputs(model, rng)[0].to(DEVICE, torch.float32)
    expected = model(u, conditions(model, u))
    with torch.autocast(DEVICE, dtype):
        actual = model(u, conditions(model, u))
    assert actual.dtype == torch.float32
    mean = model.normalizer.output_mean.view(1, -1, *(1,) * model.config.ndim)  # known without it
    assert relative(actual - mean, expected - mean) < HALF


def test_statistics_of_the_first_batches_are_those_of_the_cpu(
    build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    models = [build(levels=2).train(), build(levels=2).train().to(DEVICE)]
    batches = [inputs(models[0], rng) for _ in range(3)]
    for model in models:
        model.normalizer.clear()
        for u, y in batches:
            device = model.normalizer.training_grid.device
            model(u.to(device), target=y.to(device)).sum().backward()
    here, there = (model.normalizer.state_dict() for model in models)
    for name, value in here.items():
        assert_close(there[name].cpu(), value, rtol=1e-10, atol=1e-12)


def test_noise_is_drawn_on_the_device(build: Callable[..., WaveLiT], rng: torch.Generator) -> None:
    model = build(noise=0.5, layout=ChannelLayout(fields=1, constants=1)).train().to(DEVICE)
    u = inputs(model, rng)[0].to(DEVICE)
    model.fit_statistics([(u, u[:, :1])])  # noise is on fields that persist
    first, second = model(u), model(u)
    assert first.device.type == DEVICE
    assert not torch.equal(first, second)
    assert torch.equal(model.eval()(u), model(u))


def test_a_model_saved_on_a_gpu_is_loaded_on_the_cpu(
    build: Callable[..., WaveLiT], rng: torch.Generator, tmp_path: Path
) -> None:
    model = build(pyramid_scales=2).eval().to(DEVICE)
    u, _ = inputs(model, rng)
    model.save(tmp_path / "model.safetensors")
    loaded = WaveLiT.load(tmp_path / "model.safetensors")
    assert_close(loaded(u), model(u.to(DEVICE)).cpu(), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [KNOBS[3], KNOBS[5]])
def test_a_compiled_training_step_keeps_the_values(
    knobs: dict[str, Any],
    build: Callable[..., WaveLiT],
    rng: torch.Generator,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # an empty cache, so that the kernels are those of this code
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
    model = build(**knobs).train().to(DEVICE)
    u, y = (part.to(DEVICE) for part in inputs(model, rng))
    expected = step(model, u, y)
    model.compile(fullgraph=True)
    for got, want in zip(step(model, u, y), expected, strict=True):
        assert_close(got, want, rtol=1e-8, atol=1e-10)
