"""The models for PDEArena's registries: shapes, meaning of the channels, bad input."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.autoload.records import Refusal, Registration
from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.hosts.layout import channels_to_frames, frames_to_channels
from wavelit_plugin.hosts.pdearena.model import (
    ConditionedWaveLiTFields,
    Entry,
    WaveLiTFields,
    field_names,
    parameter_count,
    register_models,
)
from wavelit_plugin.model import PRESETS

SMALL = {"width": 8, "heads": 1, "depth": 1, "levels": 1}


def fields(scalars: int, vectors: int, **more: object) -> dict[str, Any]:
    """Return the arguments that the host gives to each of its models."""
    counts = {f"n_{side}put_scalar_components": scalars for side in ("in", "out")}
    counts |= {f"n_{side}put_vector_components": vectors for side in ("in", "out")}
    return {**counts, "time_history": 4, "time_future": 1, "activation": "gelu", **SMALL, **more}


def test_frames_fold_frame_by_frame_and_unfold(rng: torch.Generator) -> None:
    u = torch.randn(2, 3, 4, 5, 6, generator=rng)
    folded = frames_to_channels(u)
    assert_close(folded[:, 1 * 4 + 2], u[:, 1, 2], rtol=0.0, atol=0.0)
    assert_close(channels_to_frames(folded, 3), u, rtol=0.0, atol=0.0)


def test_frames_of_no_field_fold_too() -> None:
    empty = torch.zeros(2, 3, 0, 5)
    assert frames_to_channels(empty).shape == (2, 0, 5)
    assert channels_to_frames(torch.zeros(2, 0, 5), 3).shape == (2, 3, 0, 5)


@pytest.mark.parametrize(
    ("scalars", "vectors", "ndim", "names"),
    [
        (2, 0, 2, ("scalar0", "scalar1")),
        (1, 1, 2, ("scalar0", "vector0_x", "vector0_y")),
        (0, 2, 3, tuple(f"vector{i}_{axis}" for i in (0, 1) for axis in "xyz")),
        (1, 0, 1, ("scalar0",)),
    ],
)
def test_fields_are_named_scalars_first(
    scalars: int, vectors: int, ndim: int, names: tuple[str, ...]
) -> None:
    assert field_names(scalars, vectors, ndim=ndim) == names


@pytest.mark.parametrize(
    ("kind", "count"), [(None, 0), ("scalar", 1), ("scalar_2", 2), ("scalar_3", 3)]
)
def test_the_kind_of_parameters_says_how_many(kind: str | None, count: int) -> None:
    assert parameter_count(kind) == count


@pytest.mark.parametrize("kind", ["", "vector", "scalar_", "scalar_x", "scalars", "scalar2"])
def test_other_kinds_of_parameters_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="null, scalar or scalar_N"):
        parameter_count(kind)


@pytest.mark.parametrize(
    ("scalars", "vectors", "ndim", "future"), [(1, 1, 2, 1), (0, 2, 3, 2), (2, 0, 2, 1)]
)
def test_frames_come_in_and_go_out(scalars: int, vectors: int, ndim: int, future: int) -> None:
    model = WaveLiTFields(**fields(scalars, vectors, n_dims=ndim, time_future=future))
    count, space = scalars + vectors * ndim, (8, 6, 10)[:ndim]
    assert model(torch.randn(2, 4, count, *space)).shape == (2, future, count, *space)


def test_an_untrained_model_goes_on_with_the_last_frame(rng: torch.Generator) -> None:
    """After the statistics of a static field, whatever is not learnt yet is small beside it."""
    model = WaveLiTFields(**fields(1, 1)).train()
    still = torch.randn(8, 1, 3, 8, 8, generator=rng).expand(-1, 4, -1, -1, -1)
    with model.shown(still[:, -1:]):
        model(still).sum().backward()
    last = torch.randn(2, 4, 3, 8, 8, generator=rng)
    assert_close(model.eval()(last), last[:, -1:], rtol=0.0, atol=0.2)


def test_components_of_a_vector_share_scales_and_scalars_have_their_own() -> None:
    model = WaveLiTFields(**fields(1, 1)).train()
    u = torch.randn(8, 4, 3, 8, 8) * torch.tensor([1.0, 10.0, 30.0])[:, None, None]
    with model.shown(torch.randn(8, 1, 3, 8, 8)):
        model(u).sum().backward()
    scale = model.core.normalizer.input_scale
    assert_close(scale[1], scale[2])
    assert bool((scale[0] < 0.2 * scale[1]).all())


def test_a_target_is_shown_once(rng: torch.Generator) -> None:
    model = WaveLiTFields(**fields(2, 0)).train()
    x, y = torch.randn(2, 4, 2, 8, 8, generator=rng), torch.randn(2, 1, 2, 8, 8, generator=rng)
    targets: list[Tensor | None] = []
    model.core.register_forward_pre_hook(
        lambda _core, _args, given: targets.append(given["target"]), with_kwargs=True
    )
    with model.shown(y):
        model(x)
        model(x)
    with pytest.raises(ZeroDivisionError), model.shown(y):
        raise ZeroDivisionError
    model(x)  # nothing is left of a step that failed
    assert [target is not None for target in targets] == [True, False, False]
    assert_close(targets[0], y[:, 0])


def test_conditions_are_the_time_step_and_the_parameters() -> None:
    model = ConditionedWaveLiTFields(**fields(1, 1, time_history=1, param_conditioning="scalar_2"))
    assert model.core.config.conditions == 3
    x, step, z = torch.randn(2, 1, 3, 8, 8), torch.tensor([1, 4]), torch.randn(2, 2)
    assert model(x, step, z).shape == x.shape
    assert model(x, time=step, z=z).shape == x.shape
    with pytest.raises(ShapeError, match="needs 2 parameters a sample, got none"):
        model(x, step)


def test_parameters_of_data_are_left_alone_when_not_asked_for(rng: torch.Generator) -> None:
    model = ConditionedWaveLiTFields(**fields(1, 1, time_history=1)).eval()
    x, step = torch.randn(2, 1, 3, 8, 8, generator=rng), torch.ones(2, dtype=torch.long)
    assert_close(model(x, step, torch.ones(2)), model(x, step), rtol=0.0, atol=0.0)


def test_a_model_that_removes_noise_continues_nothing() -> None:
    """PDE-Refiner alone gives n_dims; history and noisy frame are what the noise depends on."""
    model = ConditionedWaveLiTFields(**fields(1, 0, time_history=2, n_dims=1))
    config = model.core.config
    assert (config.ndim, config.residual) == (1, "off")
    assert (config.channels.fields, config.channels.constants) == (0, 2)
    plain = ConditionedWaveLiTFields(**fields(1, 0, time_history=2))
    assert (plain.core.config.ndim, plain.core.config.residual) == (2, "on")
    assert (plain.core.config.channels.fields, plain.core.config.channels.frames) == (1, 2)


def test_knobs_from_a_parsed_file_are_taken() -> None:
    model = WaveLiTFields(**fields(1, 1, boundary=["periodic", "wall"], residual=False))
    assert model.core.config.axes == ("periodic", "wall")
    assert model.core.config.residual == "off"


def test_an_unknown_knob_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        WaveLiTFields(**fields(1, 1, widht=8))


def test_other_fields_out_than_in_are_refused() -> None:
    asked = {**fields(1, 1), "n_output_vector_components": 0}
    with pytest.raises(ConfigError, match=r"got \(1, 1\) .* in and \(1, 0\) out"):
        WaveLiTFields(**asked)


@pytest.mark.parametrize("shape", [(2, 3, 3, 8, 8), (2, 4, 2, 8, 8), (2, 4, 3, 8)])
def test_other_frames_fields_or_axes_are_refused(
    shape: tuple[int, ...], without_shape_check: None
) -> None:
    with pytest.raises(ShapeError, match="built for 4 frames of 3 fields on 2 axes"):
        WaveLiTFields(**fields(1, 1))(torch.zeros(shape))


def test_a_copied_entry_shares_nothing() -> None:
    entry = Entry(class_path="some.Model", init_args={"knobs": {"width": 8}})
    copy = entry.copy()
    assert isinstance(copy, Entry)
    copy["init_args"]["knobs"]["width"] = 16
    copy["init_args"]["n_dims"] = 1
    assert entry == {"class_path": "some.Model", "init_args": {"knobs": {"width": 8}}}


def registries(**taken: object) -> Any:
    return SimpleNamespace(MODEL_REGISTRY=dict(taken), COND_MODEL_REGISTRY={})


def test_every_preset_is_in_both_registries_and_can_be_taken_back() -> None:
    module = registries()
    done = list(register_models(module))
    for registry in (module.MODEL_REGISTRY, module.COND_MODEL_REGISTRY):
        for name in PRESETS:
            assert registry[name]["init_args"]["preset"] == name
            assert registry[f"{name}-periodic"]["init_args"]["boundary"] == "periodic"
    assert "waveliT-Maxwell3D" in module.MODEL_REGISTRY
    assert "waveliT-Maxwell3D" not in module.COND_MODEL_REGISTRY
    for registration in done:
        assert isinstance(registration, Registration)
        registration.undo()
    assert (module.MODEL_REGISTRY, module.COND_MODEL_REGISTRY) == ({}, {})


def test_a_name_that_is_taken_stays_the_others() -> None:
    module = registries(waveliT="theirs")
    refused = [each for each in register_models(module) if isinstance(each, Refusal)]
    assert [refusal.name for refusal in refused] == ["waveliT"]
    assert module.MODEL_REGISTRY["waveliT"] == "theirs"
    assert "waveliT-4M" in module.MODEL_REGISTRY


def test_the_3d_model_is_built_from_what_the_host_gives_it() -> None:
    module = registries()
    list(register_models(module))
    entry = module.MODEL_REGISTRY["waveliT-Maxwell3D"].copy()
    given = {"time_history": 2, "time_future": 1, "activation": "gelu"}
    model = WaveLiTFields(**{**entry["init_args"], **given, **SMALL})
    assert model.fields == field_names(0, 2, ndim=3)
    assert entry["class_path"] == "wavelit_plugin.hosts.pdearena.model.WaveLiTFields"
