"""Inside the host's registries and Lightning modules, in this process."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.loss import wavelet_loss

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("imported")]

SMALL = {"width": 8, "heads": 1, "depth": 1, "levels": 1}
OURS = "wavelit_plugin.hosts.pdearena."


def pde(scalars: int, vectors: int, *, trajlen: int = 14, ndim: int = 2) -> Any:
    return import_module("pdearena.data.utils").PDEDataConfig(scalars, vectors, trajlen, ndim)


def small(kind: str, scalars: int, vectors: int, **more: object) -> dict[str, object]:
    """Return what a configuration says for a small model of ours."""
    fields = {f"n_{side}put_scalar_components": scalars for side in ("in", "out")}
    fields |= {f"n_{side}put_vector_components": vectors for side in ("in", "out")}
    sizes = {"time_history": 1, "time_future": 1}
    return {"class_path": OURS + kind, "init_args": {**fields, **sizes, **SMALL, **more}}


def plain_module(criterion: str, *, scalars: int = 1, vectors: int = 1) -> Any:
    made = small("WaveLiTFields", scalars, vectors)
    return _stepping("PDEModel", criterion, pdeconfig=pde(scalars, vectors), model=made)


def cond_module(criterion: str, *, scalars: int = 1, vectors: int = 1) -> Any:
    return import_module("pdearena.models.cond_pdemodel").CondPDEModel(
        name="small",
        max_num_steps=5,
        activation="gelu",
        criterion=criterion,
        lr=1e-3,
        pdeconfig=pde(scalars, vectors),
        param_conditioning="scalar",
        model=small("ConditionedWaveLiTFields", scalars, vectors, param_conditioning="scalar"),
    )


def maxwell_module(criterion: str) -> Any:
    made = small("WaveLiTFields", 0, 2, n_dims=3)
    return _stepping("Maxwell3DPDEModel", criterion, pdeconfig=pde(0, 2, ndim=3), model=made)


def _stepping(name: str, criterion: str, **data: Any) -> Any:
    """Return one of the host's modules that predict the next frame."""
    return getattr(import_module("pdearena.models.pdemodel"), name)(
        name="small",
        time_history=1,
        time_future=1,
        time_gap=0,
        max_num_steps=5,
        activation="gelu",
        criterion=criterion,
        lr=1e-3,
        **data,
    )


def batch(fields: int, *, ndim: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    made = torch.randn(2, 4, 1, fields, *(8,) * ndim, generator=generator)
    return made[0], made[1]


def conditioned(fields: int) -> tuple[Tensor, ...]:
    return (*batch(fields), torch.tensor([1, 2, 3, 4]), torch.tensor([0.2, 0.3, 0.4, 0.5]))


def wavelet_term(prediction: Tensor, target: Tensor) -> Tensor:
    """A tenth of our loss, from its function: mean over channels and samples."""
    losses = wavelet_loss(prediction.flatten(1, 2), target.flatten(1, 2), boundary="open")
    return 0.1 * losses.mean()


@pytest.mark.parametrize("base", ["mse", "scaledl2"])
@pytest.mark.parametrize("build", [plain_module, cond_module, maxwell_module])
def test_a_combined_criterion_is_the_hosts_plus_our_term(build: Any, base: str) -> None:
    module = build(f"wavelet+{base}").train()
    losses = import_module("pdearena.modules.loss")
    host = losses.CustomMSELoss() if base == "mse" else losses.ScaledLpLoss()
    given = {plain_module: batch(3), cond_module: conditioned(3)}.get(build, batch(6, ndim=3))
    step = module.step if build is cond_module else module.train_step
    loss, prediction, target = step(given)
    assert_close(loss, host(prediction, target) + wavelet_term(prediction, target))
    assert module.hparams["criterion"] == f"wavelet+{base}"


@pytest.mark.parametrize("build", [plain_module, cond_module, maxwell_module])
@pytest.mark.parametrize("criterion", ["mse", "scaledl2"])
def test_the_hosts_criteria_stay_the_hosts(build: Any, criterion: str) -> None:
    module = build(criterion)
    held = module.criterion if build is cond_module else module.train_criterion
    assert type(held).__module__ == "pdearena.modules.loss"
    assert module.hparams["criterion"] == criterion


@pytest.mark.parametrize("criterion", ["wavelet", "wavelet+mse"])
@pytest.mark.parametrize(("scalars", "vectors"), [(0, 1), (2, 0)])
def test_slices_of_no_field_do_no_harm(criterion: str, scalars: int, vectors: int) -> None:
    given = batch(scalars + 2 * vectors)
    plain = plain_module(criterion, scalars=scalars, vectors=vectors).train()
    losses = plain.training_step(given, 0)
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    assert all(torch.isfinite(value) for value in losses.values())
    gradients = [weight.grad for weight in plain.model.parameters()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in gradients)
    cond = cond_module(criterion, scalars=scalars, vectors=vectors).train()
    more = conditioned(scalars + 2 * vectors)
    assert all(torch.isfinite(value) for value in cond.training_step(more, 0).values())


def test_evaluation_compares_by_the_hosts_criterion() -> None:
    module = cond_module("wavelet+scaledl2").eval()
    loss, prediction, target = module.step(conditioned(3))
    host = import_module("pdearena.modules.loss").ScaledLpLoss()
    assert_close(loss, host(prediction, target))


def test_the_target_of_training_sets_the_scales_and_that_of_evaluation_does_not() -> None:
    x, y = batch(3)
    module = plain_module("mse").eval()
    module.eval_step((x, 100 * y))
    assert int(module.model.core.normalizer.inputs.samples) == 0
    module.train()
    loss, _, _ = module.train_step((x, 100 * y))
    loss.backward()  # which makes a training step of it
    spread = (100 * y).std(dim=(0, 1, 3, 4), unbiased=False)
    _, outer = module.model.core.normalizer.field_scales()
    # of a target that has nothing to do with the input; the vector's components share theirs
    expected = torch.stack([spread[0], *[spread[1:].square().mean().sqrt()] * 2])
    assert_close(outer, expected, rtol=0.1, atol=0.0)


def test_the_saved_hyperparameters_rebuild_the_module(tmp_path: Any) -> None:
    module = plain_module("wavelet+scaledl2")
    path = tmp_path / "saved.ckpt"
    kept = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save({**kept, "pytorch-lightning_version": "1.9.5"}, path)
    again = type(module).load_from_checkpoint(path, pdeconfig=pde(1, 1))
    assert again.hparams["criterion"] == "wavelet+scaledl2"
    assert type(again.train_criterion) is type(module.train_criterion)
    x, _ = batch(3)
    assert_close(again.eval()(x), module.eval()(x), rtol=0.0, atol=0.0)


def test_models_built_twice_from_one_entry_share_no_arguments() -> None:
    """PDE-Refiner writes n_dims into what it got from the registry, which others read later."""
    known = import_module("pdearena.models.registry").COND_MODEL_REGISTRY
    before = {name: repr(entry) for name, entry in known.items() if "waveliT" in name}
    common = {"name": "waveliT", "activation": "gelu"}
    refiner = import_module("pdearena.models.pderefiner").get_model(
        SimpleNamespace(**common, time_history=1, time_future=1, param_conditioning="scalar_3"),
        pde(1, 0, ndim=1),
    )
    plain = import_module("pdearena.models.cond_pdemodel").get_model(
        SimpleNamespace(**common, param_conditioning=None), pde(1, 1)
    )
    assert (refiner.core.config.ndim, plain.core.config.ndim) == (1, 2)
    assert (refiner.core.config.conditions, plain.core.config.conditions) == (4, 1)
    assert before == {name: repr(entry) for name, entry in known.items() if "waveliT" in name}
    pair = [
        import_module("pdearena.models.pdemodel").get_model(
            SimpleNamespace(**common, time_history=history, time_future=1), pde(1, 1)
        )
        for history in (2, 4)
    ]
    assert [model.frames for model in pair] == [2, 4]


def test_a_conditioned_model_without_its_parameters_says_so() -> None:
    module = cond_module("mse")
    with pytest.raises(ShapeError, match="needs 1 parameters a sample, got none"):
        module.step((*conditioned(3)[:3], None))


def test_an_unknown_kind_of_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="null, scalar or scalar_N, got 'field'"):
        import_module("pdearena.models.cond_pdemodel").CondPDEModel(
            name="waveliT",
            max_num_steps=5,
            activation="gelu",
            criterion="mse",
            lr=1e-3,
            pdeconfig=pde(1, 1),
            param_conditioning="field",
        )


def test_deactivate_gives_the_modules_back_as_they_were() -> None:
    import wavelit_plugin

    modules = (
        import_module("pdearena.models.pdemodel"),
        import_module("pdearena.models.cond_pdemodel"),
    )
    classes = (modules[0].PDEModel, modules[1].CondPDEModel)
    names = import_module("pdearena.models.registry").MODEL_REGISTRY
    try:
        wavelit_plugin.deactivate()
        assert not any("waveliT" in name for name in names)
        assert not any(hasattr(cls.__init__, "__wrapped__") for cls in classes)
        assert not any("setup" in vars(cls) for cls in classes)
        with pytest.raises(NotImplementedError):
            plain_module("wavelet")
    finally:
        wavelit_plugin.activate()
    assert "waveliT" in names
    assert plain_module("wavelet").hparams["criterion"] == "wavelet"
