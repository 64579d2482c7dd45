"""The model and the loss for The Well: meaning of the channels, shapes, bad input."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, HostError
from wavelit_plugin.hosts.the_well.model import (
    WaveletMetric,
    WaveLiTModel,
    boundaries,
    channels_first,
    is_periodic,
    read_facts,
)
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import WaveLiT

SMALL: dict[str, Any] = {"width": 8, "heads": 1, "depth": 1, "levels": 1}
PERIODIC = SimpleNamespace(boundary_condition_types=["PERIODIC"], n_spatial_dims=2)
MAZE = SimpleNamespace(boundary_condition_types=["OPEN", "WALL"], n_spatial_dims=2)


def model(**changes: Any) -> WaveLiTModel:
    """Return what the host builds for 3 fields, 2 constants and 4 frames on two axes."""
    sizes = {"dim_in": 14, "dim_out": 3, "n_spatial_dims": 2, "spatial_resolution": (16, 16)}
    return WaveLiTModel(**{**sizes, "n_steps_input": 4, **SMALL, **changes})


class Data:
    """Stands in for the host's WellDataset: what of it is asked for."""

    asked: dict[str, Any]

    def __init__(
        self,
        *,
        well_base_path: str | None = None,
        well_dataset_name: str | None = None,
        well_split_name: str | None = None,
        storage_options: object = None,
        transform: object = None,
    ) -> None:
        given = locals().items()
        type(self).asked = {k: v for k, v in given if k != "self" and v is not None}
        names = {0: ["pressure"], 1: ["velocity_x", "velocity_y"], 2: []}
        constants = {0: ["density", "speed"], 1: [], 2: []}
        self.metadata = SimpleNamespace(
            field_names=names, constant_field_names=constants, n_spatial_dims=2
        )

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"boundary_conditions": torch.tensor([[2.0, 2.0], [0.0, 0.0]])}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> type[Data]:
    """The host's package, as far as it is asked."""
    package, data = ModuleType("the_well"), ModuleType("the_well.data")
    data.WellDataset = Data  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "the_well", package)
    monkeypatch.setitem(sys.modules, "the_well.data", data)
    return Data


def test_frames_fields_and_constants_follow_from_the_channels() -> None:
    layout = model().core.config.channels
    assert (layout.frames, layout.fields, layout.constants) == (4, 3, 2)
    assert model().core.config.residual == "on"
    assert model().core.config.boundary == "open"


@pytest.mark.parametrize(("ndim", "frames", "constants"), [(1, 1, 0), (2, 4, 2), (3, 2, 1)])
def test_one_frame_of_all_fields_comes_out(ndim: int, frames: int, constants: int) -> None:
    built = model(
        dim_in=frames * 3 + constants,
        n_spatial_dims=ndim,
        spatial_resolution=(16,) * ndim,
        n_steps_input=frames,
    )
    u = torch.randn(2, frames * 3 + constants, *(16,) * ndim)
    assert built(u).shape == (2, 3, *(16,) * ndim)


def test_what_it_continues_is_the_last_frame() -> None:
    built = model().eval()
    u = torch.zeros(1, 14, 16, 16)
    u[:, 9:12] = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    built.core.normalizer.persistence.fill_(1.0)
    with torch.no_grad():
        for parameter in built.core.parameters():
            parameter.zero_()
        assert_close(built(u), u[:, 9:12])


def test_a_model_of_changes_continues_nothing() -> None:
    for name, residual in (("DeltaWellDataset", "off"), ("WellDataset", "on")):
        built = model(train_dataset=f"the_well.data.datasets.{name}")
        assert built.core.config.residual == residual
        assert (built.core.persistence is None) == (residual == "off")


def test_knobs_win_over_presets_and_null_leaves_them() -> None:
    config = model(preset="waveliT-4M", width=16, heads=2, depth=None, boundary=None).core.config
    assert (config.width, config.heads, config.depth) == (16, 2, 3)


def test_the_data_set_says_what_its_channels_and_ends_are(host: type[Data]) -> None:
    dataset = {"well_base_path": "data", "well_dataset_name": "dummy", "storage_options": None}
    config = model(dataset=dataset).core.config
    assert config.channels.names == ("pressure", "velocity_x", "velocity_y")
    assert config.channels.vectors == ((1, 2),)
    assert config.axes == ("periodic", "wall")
    assert host.asked.pop("transform").on_nan == "warn"
    assert host.asked == {
        "well_base_path": "data", "well_dataset_name": "dummy", "well_split_name": "train"
    }  # fmt: skip
    assert model(dataset=dataset, boundary=["open", "open"]).core.config.axes == ("open", "open")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"well_base_pth": "data"}, "did you mean 'well_base_path'"),
        ("data", "dataset must be a mapping"),
    ],
)
def test_an_option_that_the_data_set_does_not_have_is_named(
    host: type[Data], dataset: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        model(dataset=dataset)


def test_tensors_of_order_two_are_groups_too(
    host: type[Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Data.__init__

    def wider(self: Data, **asked: Any) -> None:
        original(self, **asked)
        names = self.metadata.field_names
        names[1] += ["force_x", "force_y"]
        names[2] += [f"stress_{axes}" for axes in ("xx", "xy", "yx", "yy")]

    monkeypatch.setattr(Data, "__init__", wider)
    facts = read_facts({})
    assert facts.vectors == ((1, 2), (3, 4), (5, 6, 7, 8))
    assert facts.fields[5] == "stress_xx"
    assert facts.constants == ("density", "speed")


@pytest.mark.parametrize("changes", [{"n_steps_input": 2}, {"dim_in": 13}])
def test_another_number_of_frames_than_the_datas_is_an_error(
    host: type[Data], changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"has the fields pressure.*set n_steps_input to that"):
        model(dataset={}, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_steps_input": 5}, "5 frames of 3 fields do not fit into 14 channels"),
        ({"spatial_resolution": (16,)}, r"on 2 axes of \(16,\) points"),
        ({"preset": "waveliT-2M"}, "unknown preset 'waveliT-2M'; did you mean"),
        ({"widht": 8}, "unknown WaveLiT option 'widht'; did you mean 'width'"),
    ],
)
def test_bad_input_is_one_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model(**changes)


@pytest.mark.skipif(find_spec("the_well") is not None, reason="The Well is installed")
def test_without_the_host_the_remedy_is_named() -> None:
    with pytest.raises(HostError, match=r"install wavelit-plugin\[the-well\], or set dataset"):
        read_facts({})


def test_boundaries_of_the_hosts_codes() -> None:
    codes = torch.tensor([[2.0, 2.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert boundaries(codes) == ("periodic", "wall", "open", "open", "open")
    assert is_periodic(PERIODIC)
    assert not is_periodic(MAZE)
    assert not is_periodic(SimpleNamespace(boundary_condition_types=["periodic", "WALL"]))


def test_fields_go_to_the_channels_frame_by_frame(rng: torch.Generator) -> None:
    u = torch.randn(2, 4, 5, 6, 3, generator=rng)
    channels = channels_first(u)
    assert channels.shape == (2, 12, 5, 6)
    assert_close(channels[:, 2 * 3 + 1], u[:, 2, :, :, 1], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("metadata", [PERIODIC, MAZE], ids=["periodic", "open"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_loss_is_ours_of_each_frame_and_field(
    rng: torch.Generator, ndim: int, metadata: SimpleNamespace
) -> None:
    # of a size that needs padding, where boundaries differ
    pair = [torch.randn(2, 4, *(9,) * ndim, 3, generator=rng) for _ in range(2)]
    found = WaveletMetric()(*pair, metadata)
    assert found.shape == (2, 4, 3)
    boundary = "periodic" if metadata is PERIODIC else "open"
    ours = WaveletLoss(reduction="none", boundary=boundary)
    for frame in range(4):
        expected = ours(*(u[:, frame].movedim(-1, 1) for u in pair))
        assert_close(found[:, frame], expected)


def test_the_loss_of_a_perfect_prediction_is_zero_and_has_a_gradient(rng: torch.Generator) -> None:
    truth = torch.randn(2, 1, 16, 16, 3, generator=rng)
    guess = truth.clone().requires_grad_()
    loss = WaveletMetric(base=None)(guess, truth, MAZE)
    assert_close(loss, torch.zeros(2, 1, 3))
    loss.mean().backward()
    assert guess.grad is not None
    assert bool(torch.isfinite(guess.grad).all())


@pytest.mark.usefixtures("without_shape_check")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": "vrsme"}, "unknown base loss 'vrsme'; did you mean 'vrmse'"),
        ({"levels": 0}, "levels must be a whole number of at least 1"),
        ({"boundary": "opne"}, "unknown boundary 'opne'; did you mean 'open'"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WaveletMetric(**options)


def test_it_learns_in_the_hosts_loop(rng: torch.Generator) -> None:
    torch.manual_seed(0)
    built, criterion = model(dim_in=3, n_steps_input=1), WaveletMetric()
    optimizer = torch.optim.AdamW(built.parameters(), lr=1e-2)
    u = torch.randn(4, 3, 16, 16, generator=rng).cumsum(-1)
    target = u.roll(2, dims=-1).movedim(1, -1)[:, None]
    losses = []
    for _ in range(30):
        with built.shown(target[:, 0].movedim(-1, 1)):
            prediction = built(u).movedim(1, -1)[:, None]
        loss = criterion(prediction, target, MAZE).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_the_core_is_a_plain_wavelit() -> None:
    assert isinstance(model().core, WaveLiT)
    assert {name.split(".")[0] for name in model().state_dict()} == {"core"}
