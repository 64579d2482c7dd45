"""The wrapped Lightning modules of PDEArena, on a stand-in that is built and called as they are."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.hosts.pdearena.model import Entry, WaveLiTFields
from wavelit_plugin.hosts.pdearena.training import (
    TrainingCriterion,
    find_criterion,
    register_training,
)

SMALL = {"width": 8, "heads": 1, "depth": 1, "levels": 1}


class Mse(nn.Module):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square().mean()


class PDEModel(nn.Module):
    """Stands for the host's module: the same names, and the parts of it that we touch."""

    def __init__(
        self,
        name: str,
        time_history: int,
        time_future: int,
        max_num_steps: int,
        criterion: str,
        pdeconfig: Any,
        model: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if criterion not in {"mse", "scaledl2"}:
            raise NotImplementedError(criterion)
        asked = {"time_history": time_history, "time_future": time_future}
        self.hparams = {**asked, "max_num_steps": max_num_steps, "criterion": criterion}
        self._hparams_initial = dict(self.hparams)
        self.pde, self._trainer, self.trainer = pdeconfig, None, SimpleNamespace()
        counts = {f"n_{side}put_scalar_components": 1 for side in ("in", "out")}
        counts |= {f"n_{side}put_vector_components": 1 for side in ("in", "out")}
        self.model: nn.Module = nn.Identity() if model is None else nn.Flatten()
        if name.startswith("waveliT"):
            sizes: dict[str, Any] = {**counts, **asked, **SMALL}
            self.model = WaveLiTFields(**sizes)
        self.train_criterion: nn.Module = Mse()
        self.started: list[str] = []

    def train_step(self, batch: tuple[Tensor, Tensor]) -> Any:
        x, y = batch
        prediction = self.model(x)
        return self.train_criterion(prediction, y), prediction, y

    def setup(self, stage: str) -> None:
        self.started.append(stage)


ORIGINAL = PDEModel.__init__


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module of the host with its class, wrapped, and as it was afterwards."""
    before = dict(vars(PDEModel))
    host = ModuleType(__name__)
    host.PDEModel = PDEModel  # type: ignore[attr-defined]
    host.MODEL_REGISTRY = {"waveliT": Entry(), "unet": {}}  # type: ignore[attr-defined]
    done = list(register_training(host))
    yield host
    for registration in reversed(done):
        registration.undo()
    assert dict(vars(PDEModel)) == before


def build(name: str = "waveliT", **changes: Any) -> Any:
    facts = {"trajlen": 14, "n_spatial_dim": 2, **changes.pop("pde", {})}
    asked = {"time_history": 2, "time_future": 1, "max_num_steps": 5, "criterion": "mse"}
    return PDEModel(name=name, pdeconfig=SimpleNamespace(**facts), **{**asked, **changes})


def pair(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 2, 3, 8, 8, generator=rng), torch.randn(2, 1, 3, 8, 8, generator=rng)


@pytest.mark.parametrize("name", ["mse", "scaledl2"])
def test_the_hosts_criteria_are_none_of_ours(name: str) -> None:
    assert find_criterion(name) is None


@pytest.mark.parametrize(
    ("name", "host", "added"),
    [
        ("wavelet", "mse", False),
        ("wavelet+mse", "mse", True),
        ("wavelet+scaledl2", "scaledl2", True),
    ],
)
def test_ours_stand_alone_or_beside_the_hosts(name: str, host: str, *, added: bool) -> None:
    found = find_criterion(name)
    assert found is not None
    assert (found.record.name, found.host, found.added) == ("wavelet", host, added)


@pytest.mark.parametrize("name", ["wavlet", "wavelet+", "wavelet+l1", "mse+wavelet", "+mse", ""])
def test_an_unknown_criterion_lists_ours_and_the_hosts(name: str) -> None:
    known = r"mse, scaledl2, wavelet, wavelet\+mse, wavelet\+scaledl2"
    with pytest.raises(ConfigError, match=known):
        find_criterion(name)


def test_the_switch_adds_ours_to_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVELIT_CRITERION", "wavelet")
    found = find_criterion("scaledl2")
    assert found is not None
    assert (found.record.name, found.host, found.added) == ("wavelet", "scaledl2", True)


def test_the_signature_that_command_lines_read_is_the_hosts(module: ModuleType) -> None:
    assert list(inspect.signature(PDEModel.__init__).parameters)[1:3] == ["name", "time_history"]


@pytest.mark.parametrize("criterion", ["wavelet", "wavelet+mse", "wavelet+scaledl2"])
def test_the_criterion_asked_for_is_the_one_recorded(module: ModuleType, criterion: str) -> None:
    built = build(criterion=criterion)
    assert isinstance(built.train_criterion, TrainingCriterion)
    assert built.hparams["criterion"] == criterion
    assert built._hparams_initial["criterion"] == criterion


def test_the_hosts_own_criterion_and_models_are_left_alone(module: ModuleType) -> None:
    built = build("unet", time_history=50)  # its trajectories are the host's own affair
    assert isinstance(built.train_criterion, Mse)
    assert built.hparams["criterion"] == "mse"


def test_evaluation_keeps_the_hosts_criterion(module: ModuleType, rng: torch.Generator) -> None:
    built, (x, y) = build(criterion="wavelet+mse"), pair(rng)
    loss, prediction, _ = built.eval().train_step((x, y))
    assert_close(loss, Mse()(prediction, y))
    more, prediction, _ = built.train().train_step((x, y))
    assert bool(more > Mse()(prediction, y))


def test_training_shows_the_target_and_evaluation_does_not(
    module: ModuleType, rng: torch.Generator
) -> None:
    built, (x, y) = build(), pair(rng)
    built.eval().train_step((x, y))
    assert int(built.model.core.normalizer.outputs.samples) == 0
    built.train().train_step((x, y))[0].backward()
    assert int(built.model.core.normalizer.outputs.samples) == 2


def test_a_criterion_is_told_how_far_the_training_is(
    module: ModuleType, rng: torch.Generator
) -> None:
    built = build(criterion="wavelet+mse").train()
    given: list[float] = []
    built.train_criterion.term.set_progress = given.append
    # the second batch of four in the third epoch; most of the host's data do not know their number
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_idx=1, total_batch_idx=9))
    facts = {"global_step": 9, "current_epoch": 2, "fit_loop": loop}
    for steps, epochs, batches in (
        (36, None, 4),
        (-1, 4, 4),
        (-1, 4, float("inf")),
        (-1, -1, 4),
        (12, 4, 4),
    ):
        limits = {"max_steps": steps, "max_epochs": epochs, "num_training_batches": batches}
        built._trainer = SimpleNamespace(**facts, **limits)
        built.train_step(pair(rng))
    assert given == [0.25, 0.5625, 0.5625, 0.0, 0.75]


def test_in_a_first_epoch_of_unknown_length_no_part_of_it_counts(
    module: ModuleType, rng: torch.Generator
) -> None:
    built = build(criterion="wavelet+mse").train()
    given: list[float] = []
    built.train_criterion.term.set_progress = given.append
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_idx=3, total_batch_idx=3))
    built._trainer = SimpleNamespace(
        max_steps=-1,
        max_epochs=2,
        current_epoch=0,
        num_training_batches=float("inf"),
        fit_loop=loop,
    )
    built.train_step(pair(rng))
    assert given == [0.0]


@pytest.mark.parametrize("name", ["waveliT-2M", "wavelit", "WaveLiT"])
def test_a_name_near_ours_lists_ours(module: ModuleType, name: str) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'waveliT'.*Known: waveliT$"):
        build(name)


def test_a_name_of_ones_own_with_a_model_is_left_alone(module: ModuleType) -> None:
    assert isinstance(build("waveliT-mine", model={"class_path": "x"}).model, WaveLiTFields)


@pytest.mark.parametrize("ndim", [1, 3])
def test_another_number_of_axes_names_what_to_use(module: ModuleType, ndim: int) -> None:
    with pytest.raises(ConfigError, match=f"got n_spatial_dim {ndim}; .*PDE-Refiner"):
        build(pde={"n_spatial_dim": ndim})


def test_trajectories_must_hold_the_history_and_the_roll_out(module: ModuleType) -> None:
    assert build(pde={"trajlen": 7}) is not None
    with pytest.raises(ConfigError, match=r"trajlen is 6, but 2 frames of history .* need 7"):
        build(pde={"trajlen": 6})


def data(frames: int, *, usegrid: bool = False, whole: str = "valid_dp2") -> Any:
    """Stand for the host's data module, one of whose pipes yields whole trajectories."""
    pipe = [(torch.zeros(frames, 1, 8, 8), torch.zeros(frames, 2, 8, 8), None, None)]
    facts = {"hparams": {"usegrid": usegrid}, "data_dir": "here", whole: pipe}
    return SimpleNamespace(datamodule=SimpleNamespace(**facts))


def test_a_grid_in_the_input_is_refused_before_training(module: ModuleType) -> None:
    built = build()
    built.trainer = data(14, usegrid=True)
    with pytest.raises(ConfigError, match="got usegrid: true; set"):
        built.setup("fit")
    assert built.started == []


@pytest.mark.parametrize("whole", ["valid_dp2", "test_dp"])
def test_trajectories_shorter_than_announced_are_refused(module: ModuleType, whole: str) -> None:
    built = build()
    built.trainer = data(13, whole=whole)
    with pytest.raises(ConfigError, match=r"trajlen is 14, .* in here have 13 frames; set"):
        built.setup("fit")
    assert built.started == []
    built.trainer = data(14, whole=whole)
    built.setup("fit")
    assert built.started == ["fit"]


def test_the_hosts_own_models_may_have_any_data(module: ModuleType) -> None:
    built = build("unet")
    built.trainer = data(3, usegrid=True)
    built.setup("fit")
    assert built.started == ["fit"]


def test_training_without_a_data_module_starts(module: ModuleType) -> None:
    built = build()
    built.setup("fit")
    assert built.started == ["fit"]


def test_what_somebody_wrapped_since_stays(module: ModuleType) -> None:
    host = ModuleType(__name__)
    mine = type("PDEModel", (PDEModel,), {"__init__": ORIGINAL, "__module__": __name__})
    host.PDEModel = mine  # type: ignore[attr-defined]
    first, *_ = register_training(host)
    wrapped = vars(mine)["__init__"]

    def later(self: object, *args: Any, **kwargs: Any) -> None:
        wrapped(self, *args, **kwargs)

    mine.__init__ = later  # type: ignore[misc]
    first.undo()
    assert vars(mine)["__init__"] is later
    with pytest.raises(NotImplementedError):  # the host's own answer to a criterion of ours
        mine("unet", 1, 1, 5, "wavelet", SimpleNamespace(trajlen=14, n_spatial_dim=2))
