"""Models and losses that PDEArena and The Well build from us: pickled, saved whole, spawned."""

from __future__ import annotations

import copy
import io
import pickle
from importlib import import_module
from multiprocessing.queues import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.hosts.pdearena import model as pdearena
from wavelit_plugin.hosts.pdearena.training import find_criterion
from wavelit_plugin.hosts.the_well.model import WaveletMetric, WaveLiTModel
from wavelit_plugin.hosts.the_well.samples import FiniteSamples

SMALL = {"width": 8, "heads": 1, "depth": 1, "levels": 1}

# it is trained without a target here
pytestmark = pytest.mark.filterwarnings("ignore:the scale of the output is not known")


def registries() -> dict[str, dict[str, Any]]:
    host: Any = SimpleNamespace(MODEL_REGISTRY={}, COND_MODEL_REGISTRY={})
    list(pdearena.register_models(host))
    return vars(host)


ENTRIES = [(which, name) for which, entries in registries().items() for name in entries]


def build(which: str, name: str) -> nn.Module:
    """Build a registry's entry as the host does, but small."""
    entry = pickle.loads(pickle.dumps(registries()[which]))[name].copy()  # noqa: S301  (our own)
    fields = {"n_input_scalar_components": 1, "n_output_scalar_components": 1}
    vectors = {"n_input_vector_components": 1, "n_output_vector_components": 1}
    known = {} if "Maxwell" in name else {**fields, **vectors}
    sizes = {"time_history": 1, "time_future": 1, "activation": "gelu"}
    entry["init_args"].update(**known, **sizes, **SMALL)
    module, _, kind = entry["class_path"].rpartition(".")
    built: nn.Module = getattr(import_module(module), kind)(**entry["init_args"])
    return built


def arguments(which: str, name: str) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(0)
    if "Maxwell" in name:
        return (torch.randn(2, 1, 6, 8, 8, 8, generator=rng),)
    u = torch.randn(2, 1, 3, 8, 8, generator=rng)
    return (u, torch.tensor([1.0, 2.0])) if which.startswith("COND") else (u,)


def trained(model: nn.Module, given: tuple[Tensor, ...]) -> nn.Module:
    """Let it learn its data in one step."""
    model.train()(*given).square().mean().backward()
    return model.eval()


def round_trips(module: nn.Module) -> list[nn.Module]:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    read = pickle.loads(pickle.dumps(module))  # noqa: S301  (our own)
    return [read, torch.load(file, weights_only=False), copy.deepcopy(module)]


@pytest.mark.parametrize(("which", "name"), ENTRIES)
def test_what_pdearena_builds_goes_through_pickle(which: str, name: str) -> None:
    given = arguments(which, name)
    model = trained(build(which, name), given)
    for again in round_trips(model):
        assert type(again) is type(model)
        assert_close(again(*given), model(*given), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("name", ["wavelet", "wavelet+mse", "wavelet+scaledl2"])
def test_the_criterion_of_pdearena_goes_through_pickle(name: str) -> None:
    found = find_criterion(name)
    assert found is not None
    criterion = found.build(nn.MSELoss()).train()
    criterion.set_progress(0.95)
    pair = arguments("MODEL_REGISTRY", "")[0], torch.ones(2, 1, 3, 8, 8)
    for again in round_trips(criterion):
        assert_close(again(*pair), criterion(*pair), rtol=0.0, atol=0.0)


def well_model(**knobs: Any) -> WaveLiTModel:
    sizes: dict[str, Any] = {"n_spatial_dims": 2, "spatial_resolution": (8, 8), **SMALL}
    return WaveLiTModel(dim_in=3, dim_out=3, **sizes, **knobs)


@pytest.mark.parametrize("preset", ["waveliT", "waveliT-1M", "waveliT-4M", "waveliT-10M"])
def test_what_the_well_builds_goes_through_pickle(preset: str) -> None:
    u = torch.randn(2, 3, 8, 8)
    model = trained(well_model(preset=preset), (u,))
    for again in round_trips(model):
        assert_close(again(u), model(u), rtol=0.0, atol=0.0)


def test_the_loss_and_the_transform_of_the_well_go_through_pickle() -> None:
    meta = SimpleNamespace(boundary_condition_types=["PERIODIC"], n_spatial_dims=2)
    pair = torch.randn(2, 2, 1, 8, 8, 3)
    metric = WaveletMetric()
    for again in round_trips(metric):
        assert_close(again(*pair, meta), metric(*pair, meta), rtol=0.0, atol=0.0)
    transform = pickle.loads(pickle.dumps(FiniteSamples(on_nan="warn")))  # noqa: S301  (our own)
    assert transform.on_nan == "warn"


def test_nothing_of_a_step_is_saved_with_the_model() -> None:
    model = well_model().train()
    u, y = torch.randn(2, 1, 3, 8, 8)
    with model.shown(y):
        model(u)
    size = len(pickle.dumps(model))
    with pytest.raises(ZeroDivisionError), model.shown(y):
        raise ZeroDivisionError  # a step that fails before it calls the model
    assert len(pickle.dumps(model)) == size


def answer(models: list[nn.Module], results: SimpleQueue[Any]) -> None:
    """What a spawned worker does: it is sent models, and answers."""
    with torch.no_grad():
        given = [arguments("MODEL_REGISTRY", "waveliT")[0], torch.ones(1, 3, 8, 8)]
        results.put([model(u).tolist() for model, u in zip(models, given, strict=True)])


def test_they_travel_to_a_spawned_worker() -> None:
    models: list[Any] = [build("MODEL_REGISTRY", "waveliT").eval(), well_model().eval()]
    context = torch.multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    worker = context.Process(target=answer, args=(models, results))
    worker.start()
    got = results.get()
    worker.join(timeout=60)
    assert worker.exitcode == 0
    expected = [
        models[0](arguments("MODEL_REGISTRY", "waveliT")[0]),
        models[1](torch.ones(1, 3, 8, 8)),
    ]
    for theirs, ours in zip(got, expected, strict=True):
        assert_close(torch.tensor(theirs), ours.detach())
