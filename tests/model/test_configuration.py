"""The configuration: it checks itself, names the nearest right word, and survives a file."""

import dataclasses
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import PRESETS, ChannelLayout, WaveLiT, WaveLiTConfig

Tiny = Callable[..., WaveLiTConfig]

BAD: list[tuple[dict[str, Any], str]] = [
    *(
        ({name: value}, f"{name} must be a whole number of at least 1, got {value!r}")
        for name in (
            "in_channels",
            "out_channels",
            "width",
            "depth",
            "levels",
            "heads",
            "features",
            "pyramid_scales",
        )
        for value in (0, -1, 2.0, "2", True, None)
    ),
    *(
        ({name: "yes"}, f"{name} must be true or false, got 'yes'")
        for name in ("activation_checkpointing", "absolute_position", "compile")
    ),
    ({"conditions": -1}, "conditions must be a whole number of at least 0, got -1"),
    *(
        ({"ndim": value}, f"ndim must be a whole number of at least 1, got {value!r}")
        for value in (0, 2.0, True, [2])
    ),
    ({"ndim": 4}, "ndim must be 1, 2 or 3 space axes, got 4"),
    ({"width": 10}, "width must be a multiple of 2 * heads = 4"),
    ({"wavelet": "harr"}, "did you mean 'haar'?"),
    ({"wavelet": "bior2.2"}, "unknown wavelet 'bior2.2'"),
    ({"wavelet": "db4"}, "needs periodic axes"),
    ({"wavelet": "db4", "boundary": ("periodic", "open")}, "needs periodic axes"),
    ({"boundary": "periodical"}, "did you mean 'periodic'?"),
    ({"boundary": ("open",)}, "one for each of 2 axes, got 1"),
    ({"boundary": 3}, "boundary must be one name or one for each axis, got 3"),
    ({"boundary": ("open", None)}, "boundary must be one name or one for each axis"),
    ({"resolution": "align"}, "did you mean 'aligned'?"),
    ({"residual": "onn"}, "did you mean 'on'?"),
    ({"layout": ChannelLayout(fields=1)}, "the layout describes 1 input channels"),
    ({"layout": ChannelLayout(fields=2)}, "the layout describes 2 output channels"),
    ({"layout": "frames"}, "layout must be a ChannelLayout, got 'frames'"),
    ({"residual": "on", "out_channels": 3}, "residual='on' needs output fields that continue"),
]


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(("knobs", "message"), BAD, ids=str)
def test_a_bad_value_is_refused_with_what_to_do(
    knobs: dict[str, Any], message: str, tiny: Tiny
) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny(**knobs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    "knobs", [{"frames": 0}, {"fields": -1}, {"constants": -1}, {"frames_out": 0}, {"fields": 1.5}]
)
def test_a_bad_layout_is_refused(knobs: dict[str, Any]) -> None:
    (name,) = knobs
    with pytest.raises(ConfigError, match=rf"layout\.{name} must be a whole number"):
        ChannelLayout(**{"fields": 1, **knobs})


def test_a_configuration_cannot_be_changed_in_place(tiny: Tiny) -> None:
    config = tiny(layout=ChannelLayout(fields=1, constants=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.width = 16  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.layout.fields = 2  # type: ignore[misc, union-attr]
    assert config.changed(width=16) == dataclasses.replace(config, width=16)
    assert config.width == 8


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 8}, "unknown WaveLiT option 'widht'; did you mean 'width'?"),
        ({"layout": {"field": 1}}, "unknown layout option 'field'; did you mean 'fields'?"),
        ({"layout": {"frames": 1}}, "layout needs fields"),
        ({"levels": "2"}, "levels must be a whole number of at least 1, got '2'"),
    ],
)
def test_an_unknown_key_is_answered_by_the_nearest_one(
    values: dict[str, Any], message: str, tiny: Tiny
) -> None:
    channels = {"in_channels": 2, "out_channels": 1}
    attempts: list[Callable[[], WaveLiTConfig]] = [
        lambda: WaveLiTConfig.from_dict({**channels, **values}),
        lambda: WaveLiTConfig.preset("waveliT", in_channels=2, out_channels=1, **values),
        lambda: tiny().changed(**values),
    ]
    for attempt in attempts:
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({}, "in_channels and out_channels"),
        ({"in_channels": 1}, "out_channels"),
        ({"out_channels": 1}, "in_channels"),
    ],
)
def test_channels_cannot_be_left_out(values: dict[str, Any], missing: str) -> None:
    with pytest.raises(ConfigError, match=f"WaveLiT needs {missing};"):
        WaveLiTConfig.from_dict(values)


EXAMPLES: list[dict[str, Any]] = [
    {},
    {"boundary": ("periodic", "open"), "residual": "off"},
    {"boundary": "periodic", "wavelet": "db3", "residual": "on", "resolution": "native"},
    {"in_channels": 4, "layout": ChannelLayout(frames=3, fields=1, constants=1), "conditions": 2},
]


@pytest.mark.parametrize("knobs", EXAMPLES, ids=str)
def test_a_configuration_survives_plain_types_json_and_yaml(
    knobs: dict[str, Any], tiny: Tiny
) -> None:
    config = tiny(**knobs)
    plain = config.as_dict()
    assert WaveLiTConfig.from_dict(plain) == config
    assert WaveLiTConfig.from_dict(json.loads(json.dumps(plain))) == config
    assert WaveLiTConfig.from_dict(yaml.safe_load(yaml.safe_dump(plain))) == config


@pytest.mark.parametrize("residual", ["on", "off"])
def test_a_bare_on_or_off_in_yaml_is_meant_as_written(residual: str) -> None:
    values = yaml.safe_load(f"{{in_channels: 1, out_channels: 1, residual: {residual}}}")
    assert values["residual"] is (residual == "on")  # YAML 1.1
    assert WaveLiTConfig.from_dict(values).residual == residual


@pytest.mark.parametrize(
    ("name", "millions"),
    [("waveliT", 1), ("waveliT-1M", 1), ("waveliT-4M", 4), ("waveliT-10M", 10)],
)
def test_a_preset_has_the_parameters_that_its_name_says(name: str, millions: int) -> None:
    """Within 5 % in 2-D with three fields."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # initialisation does nothing there
        model = WaveLiT(WaveLiTConfig.preset(name, in_channels=3, out_channels=3))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == pytest.approx(millions * 1e6, rel=0.05)


def test_all_presets_are_measured_above() -> None:
    assert set(PRESETS) == {"waveliT", "waveliT-1M", "waveliT-4M", "waveliT-10M"}


def test_presets_cannot_be_changed_by_their_readers() -> None:
    with pytest.raises(TypeError):
        PRESETS["waveliT"]["width"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        PRESETS["mine"] = {}  # type: ignore[index]


def test_a_preset_takes_any_spelling_of_its_letters_and_any_change() -> None:
    config = WaveLiTConfig.preset(
        "WAVELIT-4m", in_channels=5, out_channels=2, ndim=3, depth=1, boundary=["open"] * 3
    )
    known = PRESETS["waveliT-4M"]
    assert (config.width, config.depth, config.ndim) == (known["width"], 1, 3)
    assert config.axes == ("open", "open", "open")


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(("name", "hint"), [("waveliT-1B", "waveliT-1M"), ("wavelet", "waveliT")])
def test_an_unknown_preset_is_answered_by_the_nearest_one(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown preset '{name}'; did you mean '{hint}'?"):
        WaveLiTConfig.preset(name, in_channels=1, out_channels=1)
    with pytest.raises(ConfigError, match="unknown preset 'None'"):
        WaveLiTConfig.preset(None, in_channels=1, out_channels=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("parameters", [33_000, 250_000, 1_000_000, 4_000_000])
def test_a_size_is_used_and_not_exceeded(parameters: int, ndim: int) -> None:
    config = WaveLiTConfig.sized(parameters, in_channels=3, out_channels=3, ndim=ndim)
    counted = sum(p.numel() for p in WaveLiT(config).parameters())
    # the width is a multiple of twice the heads, of which small models have few
    assert 0.8 * parameters < counted <= parameters


def test_a_size_keeps_the_knobs_that_are_given() -> None:
    sizes: dict[str, int] = {"in_channels": 3, "out_channels": 3}
    config = WaveLiTConfig.sized(300_000, **sizes, attention=False, boundary="periodic", depth=1)
    assert (config.attention, config.boundary, config.depth) == (False, "periodic", 1)


def test_a_size_that_no_model_has_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"at least .* parameters, got parameters=100; allow more"
    ):
        WaveLiTConfig.sized(100, in_channels=3, out_channels=3)


@pytest.mark.parametrize(("ndim", "features"), [(1, 24), (2, 12), (3, 6)])
def test_the_pyramid_of_a_preset_is_in_proportion_to_its_width(ndim: int, features: int) -> None:
    sizes: dict[str, int] = {"in_channels": 1, "out_channels": 1, "ndim": ndim}
    assert WaveLiTConfig.preset("waveliT", **sizes, width=60).features == features
    assert WaveLiTConfig.preset("waveliT", **sizes, width=60, features=9).features == 9
